// A board's top module under Verilator behind a C interface, for pins.rs: a clock, a
// serial line at both ends, and a flash chip that pins.rs has.

#include <cstdint>
#include <memory>

#include "Vquern.h"
#include "verilated.h"

namespace {

// One end of a serial line, 8N1. Times are in clock cycles.
struct Listener {
    double next = 0;  // until the next sample
    int bit = -1;     // -1: waits for a start bit
    uint8_t byte = 0;

    // Whether a byte is complete.
    bool sample(bool level, double bit_cycles) {
        if (bit < 0) {
            if (level) return false;
            bit = 0;
            next = bit_cycles / 2;
            return false;
        }
        next -= 1;
        if (next > 0) return false;
        next += bit_cycles;
        if (bit == 0) {
            bit = level ? -1 : 1;
            return false;
        }
        if (bit <= 8) {
            byte = static_cast<uint8_t>(byte >> 1 | (level ? 0x80 : 0));
            ++bit;
            return false;
        }
        bit = -1;
        return level;
    }
};

// What is at the chip's pins in a cycle, and what it makes of it: the levels of data 0 and
// data 1 in this cycle.
using Chip = uint8_t (*)(void* chip, uint8_t select_n, uint8_t clock, uint8_t drive,
                         uint8_t data0);

struct Flash {
    Chip cycle;
    void* chip;
};

struct Pins {
    VerilatedContext context;
    Vquern top{&context, ""};
    Listener listener;

    Pins() {
        top.board_clock = 0;
        top.reset_n = 1;
        top.rx = 1;
        top.flash_data0 = 1;
        top.flash_data1 = 1;
        top.eval();
    }

    void cycle(const Flash& flash) {
        const uint8_t levels =
            flash.cycle(flash.chip, top.flash_select_n, top.flash_clock,
                        top.flash_data0_drive, top.flash_data0_out);
        top.flash_data0 = levels & 1;
        top.flash_data1 = levels >> 1 & 1;
        top.board_clock = 1;
        top.eval();
        top.board_clock = 0;
        top.eval();
    }
};

struct Line {
    Pins& pins;
    Flash flash;
    double bit_cycles;
    uint8_t* received;
    uint64_t room;
    uint64_t count = 0;

    void cycle() {
        pins.cycle(flash);
        if (pins.listener.sample(pins.top.tx, bit_cycles) && count < room)
            received[count++] = pins.listener.byte;
    }
};

}  // namespace

extern "C" {

Pins* quern_pins_new() try {
    return new Pins;
} catch (...) {
    return nullptr;
}

void quern_pins_free(Pins* pins) {
    // As in shim.cpp: a model takes its scopes out of the thread's context.
    Verilated::threadContextp(&pins->context);
    delete pins;
}

void quern_pins_button(Pins* pins, uint8_t pressed) { pins->top.reset_n = !pressed; }

uint8_t quern_pins_leds(const Pins* pins) { return pins->top.leds; }

// Holds the line at a level. Bytes that arrive go to `received`, those beyond `room` are
// lost; returns their number.
uint64_t quern_pins_hold(Pins* pins, Chip cycle, void* chip, uint8_t level, uint64_t cycles,
                         double bit_cycles, uint8_t* received, uint64_t room) {
    Line line{*pins, {cycle, chip}, bit_cycles, received, room};
    pins->top.rx = level;
    for (uint64_t done = 0; done < cycles; ++done) line.cycle();
    return line.count;
}

// Sends one byte at `sender_cycles` a bit, listens at `bit_cycles`.
uint64_t quern_pins_send(Pins* pins, Chip cycle, void* chip, uint8_t byte,
                         double sender_cycles, double bit_cycles, uint8_t* received,
                         uint64_t room) {
    Line line{*pins, {cycle, chip}, bit_cycles, received, room};
    const unsigned frame = 1u << 9 | static_cast<unsigned>(byte) << 1;
    uint64_t done = 0;
    for (int bit = 0; bit < 10; ++bit) {
        pins->top.rx = frame >> bit & 1;
        const uint64_t end = static_cast<uint64_t>((bit + 1) * sender_cycles + 0.5);
        for (; done < end; ++done) line.cycle();
    }
    return line.count;
}

}  // extern "C"
