module properties (
    input wire clock,
    input wire reset,
    input wire running,
    input wire input_stall,
    input wire output_stall,
    input wire position,
    input wire store
);
    // A run: cleared in the first cycle, counted from the third on; a store of the
    // counters rotates 16 times.
    reg begun = 0, counted = 0;
    reg [4:0] rotations = 0;
    wire capture = store && rotations == 0 && counted;
    wire rotate = rotations != 0;
    wire quiet = rotate || capture;

    wire [31:0] head, cycles, input_stalls, output_stalls, matrix_cycles;
    dut dut (.clock(clock), .reset(reset), .clear(!begun), .running(running),
        .input_stall(input_stall), .output_stall(output_stall), .position(position),
        .capture(capture), .rotate(rotate), .head(head), .cycles(cycles),
        .input_stalls(input_stalls), .output_stalls(output_stalls),
        .matrix_cycles(matrix_cycles));

    reg [31:0] cycle_count, inputs, outputs, positions;
    reg input_event = 0, output_event = 0, position_event = 0;
    reg [31:0] captured;
    reg was_reset = 0;
    always @(posedge clock) begin
        begun <= 1;
        counted <= begun;
        // The cycle after `clear` is one of the run.
        if (begun && !counted) assume (running);
        // There are no events before the run, nor from the capture on.
        if (!begun || quiet || store) assume (!input_stall && !output_stall && !position);
        if (!begun) begin
            cycle_count <= 1;
            inputs <= 0;
            outputs <= 0;
            positions <= 0;
        end else begin
            cycle_count <= cycle_count + running;
            inputs <= inputs + input_event;
            outputs <= outputs + output_event;
            positions <= positions + position_event;
        end
        input_event <= input_stall;
        output_event <= output_stall;
        position_event <= position;
        if (capture) begin
            captured <= cycle_count;
            rotations <= 16;
        end
        if (rotate) rotations <= rotations - 5'd1;
        was_reset <= reset;
        if (reset) begin
            begun <= 0;
            counted <= 0;
            rotations <= 0;
            input_event <= 0;
            output_event <= 0;
            position_event <= 0;
        end
        if (was_reset) assert ({cycles, input_stalls, output_stalls, matrix_cycles} == 0);
        if (counted) begin
            assert (cycles == cycle_count);
            if (!rotate) begin
                assert (input_stalls == inputs);
                assert (output_stalls == outputs);
                assert (matrix_cycles == positions);
            end
            // The beats: each counter, lowest byte first.
            if (rotations == 16) assert (head[7:0] == captured[7:0]);
            if (rotations == 13) assert (head[7:0] == captured[31:24]);
            if (rotations == 12) assert (head[7:0] == inputs[7:0]);
            if (rotations == 8) assert (head[7:0] == outputs[7:0]);
            if (rotations == 1) assert (head[7:0] == positions[31:24]);
        end
    end
endmodule
