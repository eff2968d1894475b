// Lengths of time as text, for people.
#pragma once

#include <chrono>
#include <string>

namespace ble {

// "3 s": whole seconds, rounded up, so that "0 s" means no wait.
inline std::string in_seconds(std::chrono::milliseconds time) {
    return std::to_string(std::chrono::ceil<std::chrono::seconds>(time).count()) + " s";
}

}  // namespace ble
