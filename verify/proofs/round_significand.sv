module properties (
    input wire [31:0] value
);
    wire [31:0] rounded;
    wire negative;
    dut dut (.value(value), .rounded(rounded), .negative(negative));

    // By magnitude, as IEEE 754 says it: the nearest number of 24 significant bits, the
    // even one of two.
    wire [32:0] magnitude = value[31] ? 33'd0 - {1'b1, value} : {1'b0, value};
    reg [3:0] excess;
    integer i;
    always @(*) begin
        excess = 0;
        for (i = 24; i <= 32; i = i + 1)
            if (magnitude[i]) excess = i - 23;
    end
    wire [32:0] unit = 33'd1 << excess;
    wire [32:0] below = magnitude & (unit - 33'd1);
    wire [32:0] kept = magnitude - below;
    wire odd = |(kept & unit);
    wire [33:0] twice = {below, 1'b0};
    wire up = twice > {1'b0, unit} || (twice == {1'b0, unit} && odd);
    wire [32:0] nearest = up ? kept + unit : kept;
    wire [32:0] expected = value[31] ? 33'd0 - nearest : nearest;
    always @(*) begin
        assert (negative == value[31]);
        assert (rounded == expected[31:0]);
    end
endmodule
