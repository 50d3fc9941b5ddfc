module properties (
    input wire clock,
    input wire reset,
    input wire push,
    input wire [1:0] value,
    input wire pop
);
    wire [1:0] front;
    wire ready;
    dut dut (.clock(clock), .reset(reset), .push(push), .value_0(value), .pop(pop),
        .front_0(front), .ready(ready));
    (* hierconn *) wire [4:0] \dut.head_q ;
    (* hierconn *) wire [4:0] \dut.tail_q ;
    (* hierconn *) wire \dut.read_q ;

    reg begun = 0;
    reg [4:0] held = 0;
    // Cycles for which the oldest value has been the oldest.
    reg [1:0] waited = 0;
    always @(posedge clock) begin
        begun <= 1;
        if (!begun) assume (reset);
        if (pop) assume (ready);
        if (push) assume (held != 31);
        held <= reset ? 5'd0 : held + {4'd0, push} - {4'd0, pop};
        waited <= reset || pop || held == 0 ? 2'd0 : waited == 3 ? 2'd3 : waited + 2'd1;
        if (begun) begin
            assert (held == \dut.head_q - \dut.tail_q );
            if (\dut.read_q ) assert (held != 0);
            if (ready) assert (held != 0 && \dut.read_q );
            if (waited >= 1) assert (\dut.read_q );
            if (waited >= 2) assert (ready);
        end
    end
endmodule
