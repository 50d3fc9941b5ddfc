module properties (
    input wire clock,
    input wire [1:0] x_count, x_stride, y_count, y_stride, inner_stride, outer_stride,
    input wire [1:0] base, inner,
    input wire [7:0] outer,
    input wire positions_outer,
    input wire advance,
    input wire next_word
);
    // One pattern, one walk: a `start` in the second cycle, the first step two cycles on.
    reg [2:0] time_ = 0;
    wire write = time_ == 0;
    wire start = time_ == 1;
    wire walking = time_ == 3;

    wire last_position, last_tap;
    wire [1:0] address;
    dut dut (.clock(clock), .write(write), .x_count(x_count), .x_stride(x_stride),
        .y_count(y_count), .y_stride(y_stride), .inner_stride(inner_stride),
        .outer_stride(outer_stride), .start(start), .positions_outer(positions_outer),
        .base(base), .inner(inner), .outer(outer), .advance(walking && advance), .repeat_(1'b0),
        .next_word(next_word), .last_position(last_position), .last_tap(last_tap),
        .address(address));

    reg [1:0] xc, xs, yc, ys, is, os, b, ic;
    reg [7:0] oc;
    reg by_position;
    reg [2:0] x, y, i;
    reg [8:0] j;
    wire [2:0] width = xc == 0 ? 3'd4 : {1'b0, xc};
    wire [2:0] height = yc == 0 ? 3'd4 : {1'b0, yc};
    wire [2:0] inner_taps = ic == 0 ? 3'd4 : {1'b0, ic};
    wire [8:0] outer_taps = oc == 0 ? 9'd256 : {1'b0, oc};
    wire x_end = x + 3'd1 == width;
    wire y_end = x_end && y + 3'd1 == height;
    wire i_end = i + 3'd1 == inner_taps;
    wire j_end = i_end && j + 9'd1 == outer_taps;
    wire step_position = advance && (!by_position || j_end);
    wire step_tap = advance && (by_position || y_end);

    always @(posedge clock) begin
        if (time_ != 3) time_ <= time_ + 1;
        if (write) begin
            {xc, xs, yc, ys, is, os} <=
                {x_count, x_stride, y_count, y_stride, inner_stride, outer_stride};
        end
        if (start) begin
            {b, ic, oc, by_position} <= {base, inner, outer, positions_outer};
            x <= 0;
            y <= 0;
            i <= 0;
            j <= 0;
        end
        if (walking) begin
            if (step_position) begin
                x <= x_end ? 3'd0 : x + 3'd1;
                if (x_end) y <= y_end ? 3'd0 : y + 3'd1;
            end
            if (step_tap) begin
                i <= i_end ? 3'd0 : i + 3'd1;
                if (i_end) j <= j_end ? 9'd0 : j + 9'd1;
            end
            assert (last_position == y_end);
            assert (last_tap == j_end);
            assert (address == b + y[1:0] * ys + x[1:0] * xs + j[1:0] * os + i[1:0] * is
                + {1'b0, next_word});
        end
    end
endmodule
