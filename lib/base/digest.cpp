#include "base/digest.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <sys/random.h>

#include "base/error.hpp"
#include "base/hex_text.hpp"

namespace ble {
namespace {

const unsigned char *bytes(std::string_view text) {
    return reinterpret_cast<const unsigned char *>(text.data());
}

template <std::size_t size>
std::string random_hex() {
    std::array<std::uint8_t, size> bytes;
    if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
        throw system_error("get random bytes");
    return hex(bytes);
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

bool equal_secrets(std::string_view one, std::string_view other) {
    const Sha256 left = sha256(one), right = sha256(other);
    return CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

std::string hex(std::span<const std::uint8_t> data) {
    std::string out;
    append_hex(out, data);
    return out;
}

std::string random_id() {
    return random_hex<8>();
}

std::string random_key() {
    return random_hex<32>();
}

}  // namespace ble
