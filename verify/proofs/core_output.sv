// The whole core, `tiny`, in any state.
module properties (
    input wire clock,
    input wire reset,
    input wire [7:0] input_data,
    input wire input_valid,
    input wire output_ready
);
    wire input_ready, output_valid, idle;
    wire [7:0] output_data;
    wire [3:0] error;
    dut dut (.clock(clock), .reset(reset), .input_data(input_data), .input_valid(input_valid),
        .input_ready(input_ready), .output_data(output_data), .output_valid(output_valid),
        .output_ready(output_ready), .idle(idle), .error(error));
    // Registers that are looked into begin with any value.
    (* hierconn *) wire \dut.store.valid_q ;
    (* hierconn *) wire [7:0] \dut.store.beat_0_q ;

    reg waiting = 0;
    reg was_reset = 0;
    reg [7:0] waiting_data;
    always @(posedge clock) begin
        waiting <= output_valid && !output_ready && !reset;
        waiting_data <= output_data;
        was_reset <= reset;
        // A beat stays, unchanged, until it is taken; only a reset takes it back.
        if (waiting) assert (output_valid && output_data == waiting_data);
        if (was_reset) assert (!output_valid && idle && error == 0);
    end
endmodule
