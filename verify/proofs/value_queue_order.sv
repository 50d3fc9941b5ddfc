module properties (
    input wire clock,
    input wire reset,
    input wire push,
    input wire [1:0] value,
    input wire pop,
    input wire watch
);
    wire [1:0] front;
    wire ready;
    dut dut (.clock(clock), .reset(reset), .push(push), .value_0(value), .pop(pop),
        .front_0(front), .ready(ready));

    // Any one value may be the watched one.
    reg begun = 0, watching = 0;
    reg [1:0] watched;
    reg [4:0] held = 0, ahead;
    always @(posedge clock) begin
        begun <= 1;
        if (!begun) assume (reset);
        if (pop) assume (ready);
        if (push) assume (held != 31);
        held <= reset ? 5'd0 : held + {4'd0, push} - {4'd0, pop};
        if (push && watch && !watching) begin
            watching <= 1;
            watched <= value;
            ahead <= held - {4'd0, pop};
        end
        if (watching && pop) begin
            if (ahead == 0) watching <= 0;
            ahead <= ahead - 5'd1;
        end
        if (reset) watching <= 0;
        if (begun && ready && watching && ahead == 0) assert (front == watched);
    end
endmodule
