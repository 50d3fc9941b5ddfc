module properties (
    input wire [7:0] x,
    input wire [7:0] a,
    input wire [2:0] w
);
    wire [8:0] y;
    wire [1:0] low;
    dut dut (.x(x), .a(a), .w(w), .y(y), .low(low));

    wire [11:0] expected = {4'd0, x} + {4'd0, a} * {9'd0, w};
    always @(*) assert ({1'b0, y, low} == expected);
endmodule
