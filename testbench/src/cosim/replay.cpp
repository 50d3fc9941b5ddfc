// Replays rows of inputs through a unit and compares its outputs with the expected
// rows: `program stimulus expected warm_up`. Follows the unit's model in one text.
//
// Rows are hexadecimal, the highest digit first; ports are packed into two vectors of
// more than 64 bits, which Verilator keeps as arrays of 32-bit words.

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

namespace {

template <typename Vector>
void parse(const std::string& digits, Vector& vector) {
    const size_t words = sizeof(vector) / sizeof(EData);
    for (size_t word = 0; word < words; ++word) {
        const size_t above = word * 8;
        if (above >= digits.size()) {
            vector[word] = 0;
            continue;
        }
        const size_t end = digits.size() - above;
        const size_t begin = end > 8 ? end - 8 : 0;
        vector[word] = std::stoul(digits.substr(begin, end - begin), nullptr, 16);
    }
}

}  // namespace

int main(int, char** arguments) {
    VerilatedContext context;
    context.randReset(2);
    context.randSeed(20261124);
    Vcosim unit{&context};
    std::ifstream stimulus{arguments[1]}, expected{arguments[2]};
    const long warm_up = std::atol(arguments[3]);
    auto wanted = unit.outputs;
    std::string inputs, outputs;
    long row = 0;
    unit.clock = 0;
    for (; stimulus >> inputs && expected >> outputs; ++row) {
        parse(inputs, unit.inputs);
        parse(outputs, wanted);
        unit.eval();
        for (size_t word = 0; word < sizeof(wanted) / sizeof(EData); ++word) {
            if (row < warm_up || unit.outputs[word] == wanted[word]) continue;
            std::printf("DIFFERS %ld ", row);
            for (size_t w = sizeof(wanted) / sizeof(EData); w-- > 0;)
                std::printf("%08x", unit.outputs[w]);
            std::printf("\n");
            return 0;
        }
        unit.clock = 1;
        unit.eval();
        unit.clock = 0;
        unit.eval();
    }
    if (row == 0) return 1;
    std::puts("PASSED");
    unit.final();
    return 0;
}
