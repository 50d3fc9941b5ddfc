module properties (
    input wire clock,
    input wire load,
    input wire [8:0] value,
    input wire step
);
    wire [8:0] q;
    dut dut (.clock(clock), .load(load), .value(value), .step(step), .q(q));

    reg begun = 0;
    reg [8:0] expected;
    always @(posedge clock) begin
        begun <= 1;
        expected <= load ? value : step ? q - 9'd1 : q;
        if (begun) assert (q == expected);
    end
endmodule
