module properties (
    input wire clock,
    input wire reset,
    input wire [7:0] place_0, place_1, place_2, place_3,
    input wire valid,
    input wire loading,
    input wire matrix_busy,
    input wire activation_busy,
    input wire store_busy,
    input wire storing_counters
);
    // The beats of an instruction come in order, each when `fetch` asks for it: 16, or
    // one of 16 bytes.
    (* anyconst *) reg wide;
    reg [3:0] beat = 0;
    wire fetch;
    wire taken = fetch && valid;
    wire last = wide || beat == 15;
    wire [15:0] write = !taken ? 16'd0 : wide ? 16'hffff : 16'd1 << beat;

    wire [3:0] modifier, error;
    wire start_load, start_matrix, start_activate, start_store, write_pattern, write_target;
    wire start_vector, begin_run, running, idle;
    dut dut (.clock(clock), .reset(reset), .place_0(place_0), .place_1(place_1),
        .place_2(place_2), .place_3(place_3), .write(write), .loading(loading),
        .matrix_busy(matrix_busy), .activation_busy(activation_busy), .store_busy(store_busy),
        .storing_counters(storing_counters), .fetch(fetch), .modifier(modifier),
        .start_load(start_load), .start_matrix(start_matrix), .start_activate(start_activate),
        .start_store(start_store), .write_pattern(write_pattern), .write_target(write_target),
        .start_vector(start_vector), .begin_run(begin_run), .running(running), .idle(idle),
        .error(error));
    (* hierconn *) wire \dut.pending_q ;
    (* hierconn *) wire \dut.is_begin_q ;
    (* hierconn *) wire \dut.is_load_q ;
    (* hierconn *) wire \dut.is_matrix_q ;
    (* hierconn *) wire \dut.is_activate_q ;
    (* hierconn *) wire \dut.is_store_q ;
    (* hierconn *) wire \dut.is_halt_q ;
    (* hierconn *) wire \dut.is_pattern_q ;
    (* hierconn *) wire \dut.is_target_q ;
    (* hierconn *) wire \dut.is_vector_q ;

    wire [6:0] starts = {start_load, start_matrix, start_activate, start_store, write_pattern,
        write_target, start_vector};
    wire [8:0] kinds = {\dut.is_begin_q , \dut.is_load_q , \dut.is_matrix_q , \dut.is_activate_q ,
        \dut.is_store_q , \dut.is_halt_q , \dut.is_pattern_q , \dut.is_target_q ,
        \dut.is_vector_q };

    reg begun = 0;
    reg whole = 0;
    reg [3:0] error_before = 0;
    reg quiet = 0, waiting = 0;
    always @(posedge clock) begin
        begun <= 1;
        // A register that is looked into loses its start value.
        if (!begun) assume (reset && kinds == 0);
        if (taken) beat <= last ? 4'd0 : beat + 4'd1;
        if (reset) beat <= 0;
        whole <= taken && last && !reset;
        error_before <= reset ? 4'd0 : error;
        // A whole instruction, and no unit at work.
        waiting <= \dut.pending_q && !reset;
        quiet <= !matrix_busy && !activation_busy && !store_busy;
        if (begun) begin
            assert ((kinds & (kinds - 9'd1)) == 0);
            assert ((starts & (starts - 7'd1)) == 0);
            assert (!(\dut.pending_q && fetch));
            assert (!(\dut.pending_q && error != 0));
            // A start is that of a whole instruction, and its unit is free.
            if (starts != 0) assert (\dut.pending_q && error == 0);
            if (start_matrix) assert (!matrix_busy);
            if (start_activate || start_vector) assert (!activation_busy);
            if (start_store) assert (!store_busy);
            // No deadlock: it does not wait longer than the units are busy.
            if (waiting && quiet) assert (!\dut.pending_q );
            if (\dut.pending_q ) assert (beat == 0);
            if (whole) assert (\dut.pending_q );
            // Afterwards it fetches again, unless a load runs, or it refused.
            if (!\dut.pending_q && !loading && !storing_counters && error == 0) assert (fetch);
            // An error stands, nothing starts, nothing is fetched.
            if (error_before != 0) assert (error == error_before && starts == 0 && !fetch);
            assert (error <= 2);
            assert (idle == !running);
        end
    end
endmodule
