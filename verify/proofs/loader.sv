module properties (
    input wire clock,
    input wire reset,
    input wire start,
    input wire [2:0] space,
    input wire [2:0] words,
    input wire valid,
    input wire [15:0] place,
    input wire taken_next,
    input wire last_word
);
    wire loading, ready, step_word, table_enable;
    wire [3:0] activation_enable, weight_enable, lookup_enable;
    wire [9:0] parameter_enable;
    dut dut (.clock(clock), .reset(reset), .start(start), .space(space), .valid(valid),
        .place(place), .taken_next(taken_next), .last_word(last_word), .loading(loading), .ready(ready),
        .step_word(step_word), .activation_enable(activation_enable),
        .weight_enable(weight_enable), .parameter_enable(parameter_enable),
        .table_enable(table_enable), .lookup_enable(lookup_enable));

    localparam [2:0] ACTIVATIONS = 0, WEIGHTS = 1, PARAMETERS = 2, TABLE = 3, LOOKUP = 4;
    // Bytes of a word; a beat is one.
    wire [3:0] bytes = space == PARAMETERS ? 4'd10 : space == TABLE ? 4'd1 : 4'd4;
    wire beat = ready && valid;

    // What is still to come: words, and where in the word.
    reg [2:0] left = 0;
    reg [3:0] at = 0;
    reg [2:0] space_before = 0;
    // Another unit writes the activations in this cycle.
    reg taken = 0;
    (* hierconn *) wire \dut.stopped_q ;
    reg begun = 0;
    always @(posedge clock) begin
        begun <= 1;
        if (!begun) assume (reset);
        // The sequencer starts an idle loader, for a word at least, in a memory there is.
        if (start) assume (!loading && begun && words != 0);
        assume (space <= LOOKUP);
        if (left != 0) assume (space == space_before);
        // The ring of the core, and its count of words.
        assume (place == 16'd1 << at);
        assume (last_word == (left == 1));
        space_before <= space;
        taken <= taken_next && space == ACTIVATIONS && !reset;
        if (beat) begin
            at <= at == bytes - 4'd1 ? 4'd0 : at + 4'd1;
            if (at == bytes - 4'd1) left <= left - 3'd1;
        end
        if (start) left <= words;
        if (reset) begin
            left <= 0;
            at <= 0;
        end
        if (begun) begin
            // No beat more, none less, and no cycle lost but to whoever else writes.
            assert (loading == (left != 0));
            assert (ready == (loading && !taken));
            assert (step_word == (beat && at == bytes - 4'd1));
            // Each byte goes to its own lane of its own memory, and nothing else is written.
            assert (activation_enable == (beat && space == ACTIVATIONS ? place[3:0] : 4'd0));
            assert (weight_enable == (beat && space == WEIGHTS ? place[3:0] : 4'd0));
            assert (parameter_enable == (beat && space == PARAMETERS ? place[9:0] : 10'd0));
            assert (table_enable == (beat && space == TABLE));
            assert (lookup_enable == (beat && space == LOOKUP ? place[3:0] : 4'd0));
            // For the induction.
            assert (\dut.stopped_q == taken);
            assert (left != 0 ? at < bytes : at == 0);
        end
    end
endmodule
