// Keeps an assertion that fails inside a C library from ending the process.
//
// libmosquitto 2.0.11 calls abort(), by assert(), when a broker's packet has a property that it does not know: whoever answers
// for the broker would end us, and with us what a queue in memory holds. assert() calls __assert_fail(), which the C
// library lets a program define; ours returns to the guard when one is active in the thread.
#pragma once

#include <functional>
#include <string>

namespace ble {

// Calls `work`. Empty: it came to its end; else the assertion that failed in it: what `work` was about is then in no defined state,
// and may only be abandoned, not freed, since the library may hold its locks. No object with a destructor may be
// between `work` and the library's function. Not to be nested.
std::string guard_assertions(const std::function<void()> &work);

}  // namespace ble
