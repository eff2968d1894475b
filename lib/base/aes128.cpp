#include "base/aes128.hpp"

#include <openssl/evp.h>

#include "base/error.hpp"

namespace ble {

struct Aes128::Impl {
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();

    Impl() = default;
    Impl(const Impl &) = delete;
    Impl &operator=(const Impl &) = delete;
    ~Impl() { EVP_CIPHER_CTX_free(context); }  // erases the key
};

static void must(int done) {
    if (done != 1) throw Error(ExitCode::software, "unable to use AES-128: libcrypto refused");
}

Aes128::Aes128(const Block &key) : impl_(std::make_unique<Impl>()) {
    must(impl_->context != nullptr);
    must(EVP_EncryptInit_ex(impl_->context, EVP_aes_128_ecb(), nullptr, key.data(), nullptr));
    must(EVP_CIPHER_CTX_set_padding(impl_->context, 0));
}

Aes128::~Aes128() = default;
Aes128::Aes128(Aes128 &&) noexcept = default;
Aes128 &Aes128::operator=(Aes128 &&) noexcept = default;

Aes128::Block Aes128::encrypt(const Block &plain) const {
    Block out;
    int length = 0;
    must(
        EVP_EncryptUpdate(impl_->context, out.data(), &length, plain.data(), static_cast<int>(plain.size())));
    return out;
}

}  // namespace ble
