module properties (
    input wire clock,
    input wire reset,
    input wire start,
    input wire [1:0] source,
    input wire [2:0] first_word,
    input wire [2:0] words,
    input wire [7:0] lane_0, lane_1, lane_2, lane_3,
    input wire [23:0] sum,
    input wire [31:0] counter,
    input wire output_ready
);
    wire busy, storing_counters, reads_activations, reads_accumulators, capture_sums, next_sum;
    wire capture, rotate, stalled, output_valid;
    wire [2:0] address;
    wire [7:0] data;
    dut dut (.clock(clock), .reset(reset), .start(start), .source(source),
        .first_word(first_word), .words(words), .lane_0(lane_0), .lane_1(lane_1),
        .lane_2(lane_2), .lane_3(lane_3), .sum(sum), .counter(counter),
        .output_ready(output_ready), .busy(busy), .storing_counters(storing_counters),
        .address(address), .reads_activations(reads_activations),
        .reads_accumulators(reads_accumulators), .capture_sums(capture_sums),
        .next_sum(next_sum), .capture(capture), .rotate(rotate), .stalled(stalled),
        .output_0(data), .output_valid(output_valid));

    reg begun = 0;
    reg waiting = 0;
    reg [7:0] waiting_data;
    // Beats of the store that are still to be taken.
    reg [7:0] left = 0;
    // Cycles until it has ended, if the port is ready in every one.
    reg [7:0] bound = 0;
    wire taken = output_valid && output_ready;
    always @(posedge clock) begin
        begun <= 1;
        if (!begun) assume (reset);
        if (begun) assume (!reset);
        // The sequencer starts an idle unit, with a legal source, for at least a word.
        if (start) assume (!busy && begun && source != 3 && words != 0);
        waiting <= output_valid && !output_ready && !reset;
        waiting_data <= data;
        if (taken) left <= left - 8'd1;
        if (bound != 0 && (output_ready || !output_valid)) bound <= bound - 8'd1;
        if (start) begin
            left <= source == 0 ? {5'd0, words} * 8'd4 : source == 1 ? {5'd0, words} * 8'd16 : 8'd16;
            bound <= source == 0 ? {5'd0, words} * 8'd6 + 8'd1
                : source == 1 ? {5'd0, words} * 8'd18 + 8'd1 : 8'd19;
        end
        if (begun) begin
            if (waiting) assert (output_valid && data == waiting_data);
            if (output_valid) assert (left != 0);
            assert (busy == (left != 0));
            if (busy) assert (bound != 0);
            if (storing_counters || reads_activations || reads_accumulators) assert (busy);
        end
    end
endmodule
