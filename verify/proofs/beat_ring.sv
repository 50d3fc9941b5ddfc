module properties (
    input wire clock,
    input wire reset,
    input wire advance,
    input wire last
);
    wire [15:0] place;
    dut dut (.clock(clock), .reset(reset), .advance(advance), .last(last), .place(place));

    reg begun = 0;
    reg [15:0] expected;
    always @(posedge clock) begin
        begun <= 1;
        if (!begun) assume (reset);
        // No word has more than 16 beats.
        if (advance && place[15]) assume (last);
        expected <= reset || (advance && last) ? 16'd1 : advance ? place << 1 : place;
        if (begun) begin
            assert (place != 0 && (place & (place - 16'd1)) == 0);
            assert (place == expected);
        end
    end
endmodule
