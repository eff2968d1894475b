#include "base/digest.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <sys/random.h>

#include "base/error.hpp"

namespace ble {
namespace {

const unsigned char *bytes(std::string_view text) {
    return reinterpret_cast<const unsigned char *>(text.data());
}

}  // namespace

Sha256 sha256(std::string_view text) {
    Sha256 digest;
    SHA256(bytes(text), text.size(), digest.data());
    return digest;
}

Sha256 hmac_sha256(std::string_view key, std::string_view text) {
    Sha256 digest;
    if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes(text), text.size(), digest.data(),
             nullptr) == nullptr)
        throw Error(ExitCode::software, "unable to compute an HMAC: libcrypto refused");
    return digest;
}

std::string hex(std::span<const std::uint8_t> data) {
    constexpr char digits[] = "0123456789abcdef";
    std::string out;
    out.reserve(data.size() * 2);
    for (const auto byte : data) {
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
    return out;
}

std::string random_id() {
    std::array<std::uint8_t, 8> id;
    if (::getrandom(id.data(), id.size(), 0) != static_cast<ssize_t>(id.size()))
        throw system_error("get random bytes");
    return hex(id);
}

}  // namespace ble
