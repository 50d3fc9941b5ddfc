module properties (
    input wire clock,
    input wire restart,
    input wire step,
    input wire row_end,
    input wire end_,
    input wire [3:0] first,
    input wire [3:0] x_stride,
    input wire [3:0] y_stride
);
    wire [3:0] word;
    dut dut (.clock(clock), .restart(restart), .step(step), .row_end(row_end), .end_(end_), .first(first),
        .x_stride(x_stride), .y_stride(y_stride), .word(word));
    (* hierconn *) wire [3:0] \dut.row_q ;
    (* hierconn *) wire \dut.row_begins_q ;

    reg begun = 0;
    reg [3:0] origin, across, down, x, y;
    always @(posedge clock) begin
        begun <= 1;
        if (!begun) assume (restart);
        // First address and strides stand from restart to restart; a grid ends with a row.
        if (begun && !restart) assume (x_stride == across && y_stride == down && first == origin);
        assume (!end_ || row_end);
        if (restart) begin
            origin <= first;
            across <= x_stride;
            down <= y_stride;
            x <= 0;
            y <= 0;
        end else if (step) begin
            x <= row_end ? 4'd0 : x + 4'd1;
            if (row_end) y <= end_ ? 4'd0 : y + 4'd1;
        end
        if (begun) begin
            if (\dut.row_begins_q ) assert (x == 0);
            else assert (\dut.row_q == origin + y * down);
            assert (word == origin + y * down + x * across);
        end
    end
endmodule
