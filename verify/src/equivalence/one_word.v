// Of a memory one word: that at the address which `chosen` has in the first cycle. Other
// words are read as `free`. Both are inputs once undriven wires are exposed as such.
(* techmap_celltype = "$mem_v2" *)
module one_word (RD_CLK, RD_EN, RD_ARST, RD_SRST, RD_ADDR, RD_DATA, WR_CLK, WR_EN, WR_ADDR, WR_DATA);
    parameter MEMID = "";
    parameter SIZE = 1;
    parameter OFFSET = 0;
    parameter ABITS = 1;
    parameter WIDTH = 1;
    parameter INIT = 0;
    parameter RD_PORTS = 1;
    parameter RD_CLK_ENABLE = 0;
    parameter RD_CLK_POLARITY = 0;
    parameter RD_TRANSPARENCY_MASK = 0;
    parameter RD_COLLISION_X_MASK = 0;
    parameter RD_WIDE_CONTINUATION = 0;
    parameter RD_CE_OVER_SRST = 0;
    parameter RD_ARST_VALUE = 0;
    parameter RD_SRST_VALUE = 0;
    parameter RD_INIT_VALUE = 0;
    parameter WR_PORTS = 1;
    parameter WR_CLK_ENABLE = 0;
    parameter WR_CLK_POLARITY = 0;
    parameter WR_PRIORITY_MASK = 0;
    parameter WR_WIDE_CONTINUATION = 0;

    input [RD_PORTS-1:0] RD_CLK, RD_EN, RD_ARST, RD_SRST;
    input [RD_PORTS*ABITS-1:0] RD_ADDR;
    output [RD_PORTS*WIDTH-1:0] RD_DATA;
    input [WR_PORTS-1:0] WR_CLK;
    input [WR_PORTS*WIDTH-1:0] WR_EN, WR_DATA;
    input [WR_PORTS*ABITS-1:0] WR_ADDR;

    // Read without a clock and written with one, from zero on.
    wire _TECHMAP_FAIL_ = INIT != 0 || RD_CLK_ENABLE != 0 || &WR_CLK_ENABLE == 0
        || RD_WIDE_CONTINUATION != 0 || WR_WIDE_CONTINUATION != 0;

    wire [ABITS-1:0] \_TECHMAP_REPLACE_.chosen ;
    wire [RD_PORTS*WIDTH-1:0] \_TECHMAP_REPLACE_.free ;

    reg begun = 0;
    reg [ABITS-1:0] held = 0;
    wire [ABITS-1:0] address = begun ? held : \_TECHMAP_REPLACE_.chosen ;
    reg [WIDTH-1:0] word = 0;
    always @(posedge WR_CLK[0]) begin
        begun <= 1;
        held <= address;
        word <= written[WR_PORTS*WIDTH +: WIDTH];
    end

    // The word behind each write port in turn.
    wire [(WR_PORTS+1)*WIDTH-1:0] written;
    assign written[0 +: WIDTH] = word;
    genvar i;
    generate
        for (i = 0; i < WR_PORTS; i = i + 1) begin : write
            wire [WIDTH-1:0] enable =
                WR_EN[i*WIDTH +: WIDTH] & {WIDTH{WR_ADDR[i*ABITS +: ABITS] == address}};
            assign written[(i+1)*WIDTH +: WIDTH] = (written[i*WIDTH +: WIDTH] & ~enable)
                | (WR_DATA[i*WIDTH +: WIDTH] & enable);
        end
        for (i = 0; i < RD_PORTS; i = i + 1) begin : read
            assign RD_DATA[i*WIDTH +: WIDTH] = RD_ADDR[i*ABITS +: ABITS] == address
                ? word : \_TECHMAP_REPLACE_.free [i*WIDTH +: WIDTH];
        end
    endgenerate
endmodule
