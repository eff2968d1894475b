// One transfer of libcurl's at a time, in a loop that waits by epoll.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/unique_fd.hpp"

namespace ble {

// Throws Error(software) for what is not CURLE_OK. libcurl's results are values: a failure to set something up is out of memory, or a bug of
// ours.
void check_curl(int code);

// As of the options; empty: the system's authorities, no certificate of ours.
struct CurlTls {
    std::string cafile, capath, cert, key;
    bool insecure = false;
};

class CurlMulti {
  public:
    // Error(system) out of memory or descriptors, Error(software) when libcurl cannot be used at all.
    CurlMulti();
    ~CurlMulti();  // destroys the transfer as well
    CurlMulti(const CurlMulti &) = delete;
    CurlMulti &operator=(const CurlMulti &) = delete;

    // The CURL of the transfer.
    void *easy() const { return easy_; }
    // Stops the transfer, and forgets all that was set.
    void reset();
    // Sets whom TLS trusts, and by what we are known.
    void set_tls(const CurlTls &tls) const;
    // Begins what was set.
    void begin();

    int fd() const { return epoll_.get(); }  // readable: call step()
    // Call step() then at the latest; empty: no timer is running.
    std::optional<std::chrono::steady_clock::time_point> due() const;
    // Lets libcurl do what can be done. A CURLcode: the transfer has ended.
    std::optional<int> step();

  private:
    void watch(int socket, int what) const;

    UniqueFd epoll_;
    void *multi_ = nullptr, *easy_ = nullptr;
    std::optional<std::chrono::steady_clock::time_point> timer_;
    bool ended_at_once_ = false;  // newer libcurls then call no socket and set no timer
};

}  // namespace ble
