module properties (
    input wire clock,
    input wire reset,
    input wire [7:0] data,
    input wire valid,
    input wire framing_error,
    input wire shift,
    input wire [2:0] place,
    input wire turn,
    input wire [7:0] taken
);
    wire write, answer, restart, damaged;
    wire [7:0] address, byte_, received, acknowledged;
    wire [1:0] tag;
    dut dut (.clock(clock), .reset(reset), .data(data), .valid(valid),
        .framing_error(framing_error), .shift(shift), .place(place), .turn(turn), .taken(taken),
        .write(write), .address(address), .byte_(byte_), .received(received),
        .acknowledged(acknowledged), .tag(tag), .answer(answer), .restart(restart),
        .damaged(damaged));
    // Registers that are looked into begin with any value: the receiver in any state.
    (* hierconn *) wire \dut.waiting_q ;
    (* hierconn *) wire \dut.escaped_q ;
    (* hierconn *) wire [6:0] \dut.progress_q ;
    (* hierconn *) wire \dut.bad_q ;
    (* hierconn *) wire \dut.checked_q ;
    (* hierconn *) wire [31:0] \dut.check.register_q ;

    // A flag without a fault on the line is dealt with.
    wire flag = \dut.waiting_q && turn && data == 8'h7e && !framing_error && !reset;
    reg behind = 0;
    reg came = 0;
    reg reset_before = 0;
    always @(posedge clock) begin
        behind <= flag;
        came <= valid;
        reset_before <= reset;
        // No frame has begun, nothing is wrong, and the check begins anew.
        if (behind) assert (\dut.progress_q == 0 && !\dut.escaped_q && !\dut.bad_q
            && !\dut.checked_q && \dut.check.register_q == 32'hffffffff);
        if (behind) assert (\dut.waiting_q == came);
        // Nothing is written or announced before a byte of a frame has come.
        if (\dut.progress_q == 0) assert (!write);
        // After a reset the next flag ends no frame.
        if (reset_before) assert (\dut.progress_q == 0 && !\dut.waiting_q && !restart);
    end
endmodule
