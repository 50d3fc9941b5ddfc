module properties (
    input wire clock,
    input wire restart,
    input wire step,
    input wire [7:0] x_count,
    input wire [7:0] y_count
);
    wire row_end, end_;
    dut dut (.clock(clock), .restart(restart), .step(step), .x_count(x_count), .y_count(y_count),
        .row_end(row_end), .end_(end_));
    (* hierconn *) wire [7:0] \dut.x_q ;
    (* hierconn *) wire [7:0] \dut.y_q ;
    (* hierconn *) wire \dut.last_y_q ;

    // The counts stand from restart to restart; 0 is 256.
    reg begun = 0;
    reg [7:0] columns, rows;
    reg [8:0] x, y;
    wire [8:0] width = columns == 0 ? 9'd256 : {1'b0, columns};
    wire [8:0] height = rows == 0 ? 9'd256 : {1'b0, rows};
    always @(posedge clock) begin
        begun <= 1;
        if (!begun) assume (restart);
        if (begun && !restart) assume (x_count == columns && y_count == rows);
        if (restart) begin
            columns <= x_count;
            rows <= y_count;
            x <= 0;
            y <= 0;
        end else if (step) begin
            x <= x + 9'd1 == width ? 9'd0 : x + 9'd1;
            if (x + 9'd1 == width) y <= y + 9'd1 == height ? 9'd0 : y + 9'd1;
        end
        if (begun) begin
            assert (x < width && y < height);
            // What is left, modulo 256.
            assert (\dut.x_q == columns - x[7:0]);
            assert (\dut.y_q == rows - y[7:0]);
            assert (\dut.last_y_q == (y + 9'd1 == height));
            assert (row_end == (x + 9'd1 == width));
            assert (end_ == (x + 9'd1 == width && y + 9'd1 == height));
        end
    end
endmodule
