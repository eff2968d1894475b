// Transfers of libcurl's, in a loop that waits by epoll.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"

namespace ble {

// Throws Error(software) for all but CURLE_OK. For calls that fail only without memory, or by a bug of ours.
void check_curl(int code);

// From the options; empty: the system's authorities, no certificate of ours.
struct CurlTls {
    std::string cafile, capath, cert, key;
    bool insecure = false;
};

// A transfer failed with this code of libcurl: is the reason perhaps TLS or, without TLS, the port?
bool worth_a_look(int code, bool tls);

// A transfer (CURL). It outlives the CurlMulti that it was begun in.
struct CurlEasyDeleter {
    void operator()(void *easy) const;
};
using CurlEasy = std::unique_ptr<void, CurlEasyDeleter>;
// Error(system) out of memory, Error(software) when libcurl cannot be used at all.
CurlEasy make_curl_easy();
// Sets the authorities that TLS trusts, and our certificate.
void set_curl_tls(void *easy, const CurlTls &tls);

class CurlMulti {
  public:
    struct End {
        void *easy;
        int code;  // a CURLcode
    };

    // Keeps so many connections for later transfers. Error(system) out of memory or descriptors, Error(software) as above.
    explicit CurlMulti(std::size_t most_connections = 1);
    ~CurlMulti();  // stops what is on its way
    CurlMulti(const CurlMulti &) = delete;
    CurlMulti &operator=(const CurlMulti &) = delete;

    // Begins what was set.
    void begin(void *easy);
    // Removes one that was begun, ended or not: it can be begun again.
    void remove(void *easy);
    std::size_t begun() const { return begun_.size(); }  // and not removed

    int fd() const { return epoll_.get(); }  // readable: call step()
    // Call step() then at the latest; empty: no timer is running.
    std::optional<std::chrono::steady_clock::time_point> due() const;
    // Lets libcurl do what can be done; the transfers that have ended.
    std::vector<End> step();

  private:
    void watch(int socket, int what) const;

    UniqueFd epoll_;
    void *multi_ = nullptr;
    std::vector<void *> begun_;
    std::optional<std::chrono::steady_clock::time_point> timer_;
    bool ended_at_once_ = false;  // one of them: newer libcurls then call no socket and set no timer
};

}  // namespace ble
