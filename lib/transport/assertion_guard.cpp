#include "transport/assertion_guard.hpp"

#include <csetjmp>
#include <cstdio>
#include <cstdlib>

namespace {

struct Guard {
    std::jmp_buf where;
    char text[200];
};
thread_local Guard *active = nullptr;

}  // namespace

// As of the C library (LSB 5.0, Core, __assert_fail).
// NOLINTBEGIN(clang-diagnostic-reserved-identifier)
extern "C" [[noreturn]] void __assert_fail(const char *assertion, const char *file, unsigned line,
                                           const char *function) noexcept;
void __assert_fail(const char *assertion, const char *file, unsigned line, const char *function) noexcept {
    if (active == nullptr) {
        std::fprintf(stderr, "%s:%u: %s: Assertion `%s' failed.\n", file, line, function, assertion);
        std::abort();
    }
    std::snprintf(active->text, sizeof active->text, "%s:%u: assertion `%s' failed", file, line, assertion);
    std::longjmp(active->where, 1);
}
// NOLINTEND(clang-diagnostic-reserved-identifier)

namespace ble {

std::string guard_assertions(const std::function<void()> &work) {
    static thread_local Guard guard;
    if (setjmp(guard.where) != 0) {
        active = nullptr;
        return guard.text;
    }
    active = &guard;
    work();
    active = nullptr;
    return "";
}

}  // namespace ble
