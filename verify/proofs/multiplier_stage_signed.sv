module properties (
    input wire [7:0] x,
    input wire [7:0] a,
    input wire [1:0] w
);
    wire [8:0] y;
    wire low;
    dut dut (.x(x), .a(a), .w(w), .y(y), .low(low));

    // w and y are two's complement.
    wire [9:0] weight = {{8{w[1]}}, w};
    wire [9:0] expected = {2'd0, x} + {2'd0, a} * weight;
    always @(*) assert ({y, low} == expected);
endmodule
