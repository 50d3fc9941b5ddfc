// Requantises every value of its input with one channel's parameters, and writes the codes:
// FILE BITS INTERVAL BIAS MULTIPLIER STEPS ZERO_POINT EVEN_CODE LOW HIGH.
// Follows the headers of Verilator and of the model.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

int main(int count, char** arguments) {
    if (count != 11) return 2;
    const auto number = [&](int place) { return std::strtoul(arguments[place], nullptr, 10); };
    const uint64_t values = uint64_t{1} << number(2);
    const uint64_t interval = number(3);
    // From a value's load to its code.
    const uint64_t latency = interval + 7;
    VerilatedContext context;
    Vdut dut{&context};
    const auto cycle = [&] {
        dut.clock = 1;
        dut.eval();
        dut.clock = 0;
        dut.eval();
    };
    dut.clock = 0;
    dut.load = 0;
    dut.reset = 1;
    dut.bias = number(4);
    dut.multiplier = number(5);
    dut.steps = number(6);
    dut.zero_point = number(7);
    dut.even_code = number(8);
    dut.low = number(9);
    dut.high = number(10);
    dut.value = 0;
    dut.eval();
    cycle();
    dut.reset = 0;
    cycle();
    std::vector<uint8_t> codes(values);
    for (uint64_t at = 0, next = 0, in = 0, out = 0; out < values; ++at) {
        dut.load = at == next && in < values;
        if (dut.load) {
            next += interval;
            ++in;
        }
        // The unit takes the value of the cycle before `load`.
        dut.value = in & (values - 1);
        dut.eval();
        if (dut.load && !dut.ready) return 3;
        if (at == out * interval + latency) codes[out++] = dut.code;
        cycle();
    }
    std::FILE* const file = std::fopen(arguments[1], "wb");
    if (!file || std::fwrite(codes.data(), 1, values, file) != values) return 4;
    return std::fclose(file) == 0 ? 0 : 5;
}
