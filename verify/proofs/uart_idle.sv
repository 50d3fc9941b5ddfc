// A receiver with 6 cycles a bit, in any state.
module properties (
    input wire clock,
    input wire reset,
    input wire line
);
    localparam [6:0] BIT = 6;
    localparam [2:0] IDLE = 0, START = 1, DATA = 2, STOP = 3;
    wire [7:0] data;
    wire [2:0] place;
    wire valid, framing_error, shift;
    dut dut (.clock(clock), .reset(reset), .line(line), .data(data), .valid(valid),
        .framing_error(framing_error), .shift(shift), .place(place));
    // Registers that are looked into begin with any value.
    (* hierconn *) wire [2:0] \dut.state_q ;
    (* hierconn *) wire [2:0] \dut.timer_q ;
    (* hierconn *) wire [2:0] \dut.received_q ;
    (* hierconn *) wire \dut.metastable_q ;
    (* hierconn *) wire \dut.low_q ;

    // Cycles after which a byte that has begun is over, if the line stays high.
    wire [6:0] timer = {4'd0, \dut.timer_q };
    wire [6:0] bits = 7'd7 - {4'd0, \dut.received_q };
    wire [6:0] left = \dut.state_q == IDLE ? 7'd0
        : \dut.state_q == DATA ? bits * BIT + timer + 7'd1 + BIT
        : \dut.state_q == START || \dut.state_q == STOP ? timer + 7'd1 : 7'd1;
    // The most there is: eight bits and a stop bit, and the two registers of the line.
    localparam [6:0] MOST = 7 * BIT + 8 + BIT + 3;

    reg [6:0] high = 0;
    reg valid_before = 0;
    always @(posedge clock) begin
        high <= !line ? 7'd0 : high == 127 ? 7'd127 : high + 7'd1;
        valid_before <= valid;
        if (high >= 1) assert (!\dut.metastable_q );
        if (high >= 2) assert (!\dut.low_q );
        if (high >= 2) assert (left == 0 || left + high <= MOST);
        // A line that is high for so long leaves the receiver idle.
        if (high >= MOST) assert (\dut.state_q == IDLE && !valid && !framing_error && !shift);
        // A byte is good or bad, and announced once.
        assert (!(valid && framing_error));
        if (valid_before) assert (!valid);
        if (valid) assert (\dut.state_q == STOP);
    end
endmodule
