// A shared library that is loaded at the first call of one of its functions: it is large, and not every use of a tool needs it. Wrappers
// have the names of the functions (transport/curl_library.cpp, store/postgres/pq_library.cpp), so callers do not notice.
#pragma once

namespace ble {

// `file`: as in "libcurl.so.4"; `what`: what needs it, for people; `package`: where it comes from.
// All of them string literals.
class LateLibrary {
  public:
    constexpr LateLibrary(const char *file, const char *what, const char *package)
        : file_(file), what_(what), package_(package) {}

    // Error(system): there is no such library, or it lacks the function. Any thread may call it.
    void *find(const char *name) const;
    // The same; the last parameter is the function as its header declares it, for its type.
    template <class Function>
    Function *find(const char *name, Function *) const {
        return reinterpret_cast<Function *>(find(name));
    }

  private:
    const char *file_, *what_, *package_;
};

}  // namespace ble
