// What the targets share. Each is a file of its own, and one program: see scripts/fuzz.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/log.hpp"

// Called by libFuzzer with each input, and once before them.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *bytes, std::size_t size);
extern "C" int LLVMFuzzerInitialize(int *argc, char ***argv);

namespace ble::fuzz {

// What must hold for every input; else the input is a finding.
inline void must(bool holds, const char *what, std::string_view seen = {}) {
    if (holds) return;
    std::fprintf(stderr, "FINDING: not true: %s\n%s\n", what, std::string(seen).c_str());
    std::abort();
}

inline std::string_view text(const std::uint8_t *bytes, std::size_t size) {
    return {reinterpret_cast<const char *>(bytes), size};
}

}  // namespace ble::fuzz

// Warnings about bad input are what is wanted of the code, and not of a fuzzer's output.
#define BLE_FUZZ_QUIET                                     \
    extern "C" int LLVMFuzzerInitialize(int *, char ***) { \
        ble::set_log_level(ble::LogLevel::error);          \
        return 0;                                          \
    }
