// Two receivers with the same line, one cycle behind a flag (what then stands is proved in
// link_idle.sv): whatever either got before, they deal alike with all that follows.
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
    wire write_a, answer_a, restart_a, damaged_a;
    wire [7:0] address_a, byte__a, received_a, acknowledged_a;
    wire [1:0] tag_a;
    dut a (.clock(clock), .reset(reset), .data(data), .valid(valid), .framing_error(framing_error), .shift(shift), .place(place), .turn(turn), .taken(taken),
        .write(write_a), .address(address_a), .byte_(byte__a), .received(received_a), .acknowledged(acknowledged_a), .tag(tag_a), .answer(answer_a), .restart(restart_a), .damaged(damaged_a));
    wire write_b, answer_b, restart_b, damaged_b;
    wire [7:0] address_b, byte__b, received_b, acknowledged_b;
    wire [1:0] tag_b;
    dut b (.clock(clock), .reset(reset), .data(data), .valid(valid), .framing_error(framing_error), .shift(shift), .place(place), .turn(turn), .taken(taken),
        .write(write_b), .address(address_b), .byte_(byte__b), .received(received_b), .acknowledged(acknowledged_b), .tag(tag_b), .answer(answer_b), .restart(restart_b), .damaged(damaged_b));
    // Registers that are looked into begin with any value.
    (* hierconn *) wire \a.waiting_q ;
    (* hierconn *) wire \a.escaped_q ;
    (* hierconn *) wire [6:0] \a.progress_q ;
    (* hierconn *) wire \a.bad_q ;
    (* hierconn *) wire \a.checked_q ;
    (* hierconn *) wire \a.inverting_q ;
    (* hierconn *) wire [7:0] \a.count_q ;
    (* hierconn *) wire [7:0] \a.last_acknowledged_q ;
    (* hierconn *) wire \a.answer_pulse_q ;
    (* hierconn *) wire \a.restart_pulse_q ;
    (* hierconn *) wire \a.damaged_pulse_q ;
    (* hierconn *) wire \a.restart_asked_q ;
    (* hierconn *) wire [1:0] \a.frame_tag_q ;
    (* hierconn *) wire [7:0] \a.frame_acknowledged_q ;
    (* hierconn *) wire [31:0] \a.check.register_q ;
    (* hierconn *) wire \a.check.matches_q ;
    (* hierconn *) wire [7:0] \a.pointer.count_q ;
    (* hierconn *) wire \b.waiting_q ;
    (* hierconn *) wire \b.escaped_q ;
    (* hierconn *) wire [6:0] \b.progress_q ;
    (* hierconn *) wire \b.bad_q ;
    (* hierconn *) wire \b.checked_q ;
    (* hierconn *) wire \b.inverting_q ;
    (* hierconn *) wire [7:0] \b.count_q ;
    (* hierconn *) wire [7:0] \b.last_acknowledged_q ;
    (* hierconn *) wire \b.answer_pulse_q ;
    (* hierconn *) wire \b.restart_pulse_q ;
    (* hierconn *) wire \b.damaged_pulse_q ;
    (* hierconn *) wire \b.restart_asked_q ;
    (* hierconn *) wire [1:0] \b.frame_tag_q ;
    (* hierconn *) wire [7:0] \b.frame_acknowledged_q ;
    (* hierconn *) wire [31:0] \b.check.register_q ;
    (* hierconn *) wire \b.check.matches_q ;
    (* hierconn *) wire [7:0] \b.pointer.count_q ;

    wire [6:0] progress = \a.progress_q ;
    reg begun = 0;
    always @(posedge clock) begin
        begun <= 1;
        if (!begun) begin
            // Behind a flag; the link knows which of its bytes have come, and which of the
            // board's the host has.
            assume (\a.progress_q == 0 && !\a.waiting_q && !\a.escaped_q && !\a.bad_q
                && !\a.checked_q && \a.check.register_q == 32'hffffffff);
            assume (\b.progress_q == 0 && !\b.waiting_q && !\b.escaped_q && !\b.bad_q
                && !\b.checked_q && \b.check.register_q == 32'hffffffff);
            assume (\a.count_q == \b.count_q && \a.last_acknowledged_q == \b.last_acknowledged_q );
            // The pulses of the frame before are over.
            assume (!answer_a && !restart_a && !damaged_a);
            assume (!answer_b && !restart_b && !damaged_b);
        end
        // The frame's bytes come one after the other.
        assert ((progress & (progress + 7'd1)) == 0);
        assert (\a.waiting_q == \b.waiting_q );
        assert (\a.escaped_q == \b.escaped_q );
        assert (\a.progress_q == \b.progress_q );
        assert (\a.bad_q == \b.bad_q );
        assert (\a.checked_q == \b.checked_q );
        assert (\a.count_q == \b.count_q );
        assert (\a.last_acknowledged_q == \b.last_acknowledged_q );
        assert (\a.check.register_q == \b.check.register_q );
        if (\a.checked_q ) assert (\a.inverting_q == \b.inverting_q );
        if (begun) assert (\a.check.matches_q == \b.check.matches_q );
        if (progress[0]) assert (\a.pointer.count_q == \b.pointer.count_q  && \a.restart_asked_q == \b.restart_asked_q  && \a.frame_tag_q == \b.frame_tag_q );
        if (progress[2]) assert (\a.frame_acknowledged_q == \b.frame_acknowledged_q );
        // All that leaves them.
        assert (answer_a == answer_b && restart_a == restart_b && damaged_a == damaged_b);
        assert (received_a == received_b && acknowledged_a == acknowledged_b);
        assert (write_a == write_b);
        if (write_a) assert (address_a == address_b && byte__a == byte__b);
        if (answer_a) assert (tag_a == tag_b);
    end
endmodule
