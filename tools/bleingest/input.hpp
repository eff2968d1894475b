// What bleingest reads: standard input, FIFOs and files.
#pragma once

#include <cstddef>
#include <string>

#include "base/looking_reader.hpp"
#include "base/unique_fd.hpp"

namespace ble {

struct Input {
    UniqueFd own;  // none for standard input
    LookingReader reader;
};

// `word`: a path, or - for standard input. A FIFO with `hold` never ends. `longest`: of a line.
Input open_input(const std::string &word, bool hold, std::size_t longest);

}  // namespace ble
