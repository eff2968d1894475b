// Keeps an assertion that fails inside a C library from ending the process.
//
// libmosquitto 2.0.11 calls abort(), through assert(), when a broker's packet has a property that it does not know: any
// server could end this process, and the queue in memory would be lost. assert() calls __assert_fail(), which a
// program may define; ours returns to the guard when one is active in the thread.
#pragma once

#include <functional>
#include <string>

namespace ble {

// Calls `work`. Empty: it ended normally; else the assertion that failed in it: the objects that `work` used are then in no defined state,
// and may only be abandoned, not freed, because the library may hold their locks. No object with a destructor may be
// between `work` and the library's function. Not to be nested.
std::string guard_assertions(const std::function<void()> &work);

}  // namespace ble
