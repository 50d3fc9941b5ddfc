module properties (
    input wire clock,
    input wire reset,
    input wire clear,
    input wire running,
    input wire input_stall,
    input wire output_stall,
    input wire position,
    input wire capture,
    input wire rotate
);
    wire [31:0] head, cycles, input_stalls, output_stalls, matrix_cycles;
    dut dut (.clock(clock), .reset(reset), .clear(clear), .running(running),
        .input_stall(input_stall), .output_stall(output_stall), .position(position),
        .capture(capture), .rotate(rotate), .head(head), .cycles(cycles),
        .input_stalls(input_stalls), .output_stalls(output_stalls),
        .matrix_cycles(matrix_cycles));
    // A register that is looked into begins with any value.
    (* hierconn *) wire [31:0] \dut.cycle_count_q ;
    (* hierconn *) wire \dut.clear_event_q ;

    reg begun = 0;
    reg [31:0] next;
    reg cleared;
    always @(posedge clock) begin
        begun <= 1;
        // The cycle after `clear` is a run's second one.
        cleared <= clear && !reset;
        next <= reset ? 32'd0 : \dut.clear_event_q ? 32'd2 : \dut.cycle_count_q + running;
        if (begun) begin
            assert (\dut.clear_event_q == cleared);
            assert (\dut.cycle_count_q == next && cycles == next);
        end
    end
endmodule
