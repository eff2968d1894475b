#include "base/late_library.hpp"

#include <cmath>
#include <string>

#include "base/error.hpp"
#include "catch.hpp"

using namespace ble;

namespace {

std::string trouble_of(const LateLibrary &library, const char *name) {
    try {
        library.find(name);
    } catch (const Error &error) {
        CHECK(error.code() == ExitCode::system);
        return error.what();
    }
    return "";
}

}  // namespace

TEST_CASE("a function is found in a library that is there") {
    constexpr LateLibrary library("libm.so.6", "Arithmetic", "libc6");
    double (*const declared)(double) = std::cbrt;
    CHECK(library.find("cbrt", declared)(27.0) == Approx(3.0));
}

TEST_CASE("a library that is not there, or is too old, says what to install") {
    for (const auto &text :
         {trouble_of(LateLibrary("libnone.so.4", "HTTP", "libnone4"), "cbrt"),
          trouble_of(LateLibrary("libm.so.6", "HTTP", "libnone4"), "none_of_its_functions")}) {
        CHECK(text.starts_with("HTTP needs lib"));
        CHECK(text.find("apt-get install libnone4") != text.npos);
    }
}
