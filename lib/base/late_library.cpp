#include "base/late_library.hpp"

#include <dlfcn.h>

#include <string>

#include "base/error.hpp"

namespace ble {

// To open a library that is open gives the same one.
void *LateLibrary::find(const char *name) const {
    void *const handle = ::dlopen(file_, RTLD_LAZY | RTLD_LOCAL);
    void *const found = handle != nullptr ? ::dlsym(handle, name) : nullptr;
    if (found != nullptr) return found;
    const char *const why = ::dlerror();
    throw Error(ExitCode::system, std::string(what_) + " needs " + file_ + ": apt-get install " + package_ +
                                      " (" + (why != nullptr ? why : "it lacks a function") + ")");
}

}  // namespace ble
