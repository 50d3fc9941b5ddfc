// A core under Verilator behind a C interface, for library.rs.
//
// QUERN_STREAM_BYTES: bytes of one stream beat.
// VM_COVERAGE: the model counts lines and toggles.

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "Vquern.h"
#include "verilated.h"
#if VM_COVERAGE
#include "verilated_cov.h"
#endif
#include "verilated_sym_props.h"
#include "verilated_syms.h"

namespace {

constexpr size_t kBeat = QUERN_STREAM_BYTES;

// A port of up to 64 bits is an integer, a wider one an array of 32-bit words; both
// are little-endian on the machines Verilator supports, as the beats are.
template <typename Port>
void put(Port& port, const uint8_t* beat) {
    static_assert(sizeof(Port) >= kBeat, "the stream is wider than its port");
    Port value{};
    std::memcpy(&value, beat, kBeat);
    port = value;
}

template <typename Port>
void get(const Port& port, uint8_t* beat) {
    std::memcpy(beat, &port, kBeat);
}

struct Memory {
    std::string path;
    const uint8_t* data;
    size_t words;
    size_t bits;
    size_t stride;  // bytes from word to word
};

size_t storage(size_t bits) {
    if (bits <= 8) return 1;
    if (bits <= 16) return 2;
    if (bits <= 32) return 4;
    if (bits <= 64) return 8;
    return (bits + 31) / 32 * 4;
}

struct Simulation {
    VerilatedContext context;
    Vquern core;
    std::vector<Memory> memories;

    // Where a model leaves its start open, `seed` decides.
    static VerilatedContext* seeded(VerilatedContext* context, int seed) {
        context->randReset(2);
        context->randSeed(seed);
        return context;
    }

    explicit Simulation(int seed) : core{seeded(&context, seed), ""} {
        core.clock = 0;
        core.reset = 0;
        core.input_valid = 0;
        core.output_ready = 0;
        core.eval();
        for (const auto& entry : *context.scopeNameMap()) {
            VerilatedVar* const var = entry.second->varFind("mem");
            if (!var || var->udims() != 1) continue;
            const size_t bits = static_cast<size_t>(var->packed().elements());
            memories.push_back({entry.first, static_cast<const uint8_t*>(var->datap()),
                                static_cast<size_t>(var->unpacked().elements()), bits,
                                storage(bits)});
        }
    }

    // One clock cycle: the ports settle before the edge, `sample` looks at them, and
    // the edge follows.
    template <typename Sample>
    void cycle(Sample sample) {
        core.clock = 0;
        core.eval();
        sample();
        core.clock = 1;
        core.eval();
    }
};

}  // namespace

extern "C" {

struct QuernCycle {
    uint8_t accepted;
    uint8_t delivered;
    uint8_t idle;
    uint8_t error;
};

struct QuernBurst {
    uint64_t cycles;
    uint64_t accepted;   // bytes
    uint64_t delivered;  // bytes
    uint8_t idle;
    uint8_t error;
};

Simulation* quern_new(int32_t seed) try {
    return new Simulation{seed};
} catch (...) {
    return nullptr;
}

void quern_free(Simulation* simulation) {
    // A model takes its scopes out of the thread's context, which is the newest one and
    // may be gone, whatever context the model was made with.
    Verilated::threadContextp(&simulation->context);
    delete simulation;
}

void quern_reset(Simulation* simulation) {
    Vquern& core = simulation->core;
    core.input_valid = 0;
    core.output_ready = 0;
    core.reset = 1;
    simulation->cycle([] {});
    core.reset = 0;
}

// `input` is a beat or null; `output` has room for one.
void quern_cycle(Simulation* simulation, const uint8_t* input, uint8_t output_ready,
                 uint8_t* output, QuernCycle* result) {
    Vquern& core = simulation->core;
    core.input_valid = input != nullptr;
    if (input) put(core.input_data, input);
    core.output_ready = output_ready;
    simulation->cycle([&] {
        result->accepted = input && core.input_ready;
        result->delivered = output_ready && core.output_valid;
        if (result->delivered) get(core.output_data, output);
    });
    result->idle = core.idle;
    result->error = core.error;
}

// Runs up to `cycles` cycles, at least one, with the beats of `input` valid without a
// gap and the output ready. Ends after the cycle in which the last beat of `input` is
// accepted, `output` is full, or `idle` or `error` is up.
void quern_burst(Simulation* simulation, const uint8_t* input, uint64_t input_bytes,
                 uint8_t* output, uint64_t output_bytes, uint64_t cycles, QuernBurst* result) {
    Vquern& core = simulation->core;
    uint64_t accepted = 0, delivered = 0, cycle = 0;
    bool sent = false;
    core.output_ready = 1;
    do {
        core.input_valid = accepted + kBeat <= input_bytes;
        if (core.input_valid) put(core.input_data, input + accepted);
        simulation->cycle([&] {
            if (core.output_valid) {
                get(core.output_data, output + delivered);
                delivered += kBeat;
            }
            if (core.input_valid && core.input_ready) {
                accepted += kBeat;
                sent = accepted == input_bytes;
            }
        });
        ++cycle;
    } while (cycle < cycles && !sent && delivered + kBeat <= output_bytes && !core.idle &&
             !core.error);
    *result = {cycle, accepted, delivered, core.idle, core.error};
}

// Whether the counts of lines and toggles could be written.
uint8_t quern_write_coverage(Simulation* simulation, const char* path) try {
#if VM_COVERAGE
    VerilatedCovContext* const coverage = simulation->context.coveragep();
    coverage->forcePerInstance(true);
    coverage->write(path);
    return 1;
#else
    (void)simulation;
    (void)path;
    return 0;
#endif
} catch (...) {
    return 0;
}

void quern_counters(const Simulation* simulation, uint32_t* words) {
    words[0] = simulation->core.cycles;
    words[1] = simulation->core.input_stalls;
    words[2] = simulation->core.output_stalls;
    words[3] = simulation->core.matrix_cycles;
}

uint64_t quern_memory_count(const Simulation* simulation) {
    return simulation->memories.size();
}

// The instance that holds it, as in `quern.activations.lane_0.memory`.
const char* quern_memory_path(const Simulation* simulation, uint64_t memory) {
    return simulation->memories[memory].path.c_str();
}

uint64_t quern_memory_words(const Simulation* simulation, uint64_t memory) {
    return simulation->memories[memory].words;
}

uint64_t quern_memory_bits(const Simulation* simulation, uint64_t memory) {
    return simulation->memories[memory].bits;
}

// Copies a whole memory, each word in as many bytes as its bits need.
void quern_memory_read(const Simulation* simulation, uint64_t memory, uint8_t* bytes) {
    const Memory& source = simulation->memories[memory];
    const size_t word_bytes = (source.bits + 7) / 8;
    for (size_t word = 0; word < source.words; ++word)
        std::memcpy(bytes + word * word_bytes, source.data + word * source.stride, word_bytes);
}

}  // extern "C"
