#include "server/server_tls.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <array>
#include <memory>
#include <string_view>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"

namespace ble {
namespace {

template <auto release>
struct Releaser {
    template <class T>
    void operator()(T *pointer) const {
        release(pointer);
    }
};
using Context = std::unique_ptr<SSL_CTX, Releaser<SSL_CTX_free>>;
using Certificate = std::unique_ptr<X509, Releaser<X509_free>>;

// `path`: of the file that is read, where there is one.
[[noreturn]] void refuse(const std::string &what, const std::string &path = "") {
    const unsigned long code = ERR_peek_error();
    const char *reason = ERR_reason_error_string(code);
    const std::string text = ERR_SYSTEM_ERROR(code) ? why_not_opened(path, ERR_GET_REASON(code))
                             : reason != nullptr    ? reason
                                                    : "it is none";
    ERR_clear_error();
    throw Error(ExitCode::config, "unable to use " + what + ": " + text);
}

std::string peer_of(SSL *connection) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (getpeername(SSL_get_fd(connection), reinterpret_cast<sockaddr *>(&address), &length) != 0)
        return "somebody";
    const void *bytes =
        address.ss_family == AF_INET6
            ? static_cast<const void *>(&reinterpret_cast<const sockaddr_in6 &>(address).sin6_addr)
            : &reinterpret_cast<const sockaddr_in &>(address).sin_addr;
    return inet_ntop(address.ss_family, bytes, text.data(), text.size());
}

int on_client_certificate(int good, X509_STORE_CTX *store) {
    static Throttle throttle;
    if (good == 0 && throttle.due()) {
        auto *connection =
            static_cast<SSL *>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
        log_warning("refusing the certificate of " + peer_of(connection) + ": " +
                    X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
    }
    return good;
}

Context read(const TlsFiles &files) {
    for (const auto &path : {files.cert, files.key, files.client_ca}) refuse_pipe(path, ExitCode::config);
    ERR_clear_error();
    Context context(SSL_CTX_new(TLS_server_method()));
    if (!context) refuse("TLS");
    if (SSL_CTX_use_certificate_chain_file(context.get(), files.cert.c_str()) != 1)
        refuse("the certificate " + files.cert, files.cert);
    if (SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1)
        refuse("the key " + files.key + " with the certificate " + files.cert, files.key);
    if (files.client_ca.empty()) return context;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(files.client_ca.c_str());
    SSL_CTX_set_client_CA_list(context.get(), names);
    if (names == nullptr || SSL_CTX_load_verify_file(context.get(), files.client_ca.c_str()) != 1)
        refuse("the authorities " + files.client_ca, files.client_ca);
    return context;
}

void warn_of_age(const std::string &path, const X509 *certificate) {
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        log_warning(
            "the certificate " + path +
            " has expired, and clients will refuse it: renew it, unless this machine's clock is wrong");
}

}  // namespace

long days_left(const TlsFiles &files) {
    const Context context = read(files);
    int days = 0, seconds = 0;
    const ASN1_TIME *end = X509_get0_notAfter(SSL_CTX_get0_certificate(context.get()));
    if (ASN1_TIME_diff(&days, &seconds, nullptr, end) != 1) refuse(files.cert);
    return seconds < 0 && days == 0 ? -1 : days;
}

void check_tls(const TlsFiles &files) {
    read(files);
}

void load_tls(ssl_ctx_st *context, const TlsFiles &files) {
    const Context fresh = read(files);
    STACK_OF(X509) *chain = nullptr;
    SSL_CTX_get0_chain_certs(fresh.get(), &chain);
    X509 *certificate = SSL_CTX_get0_certificate(fresh.get());
    EVP_PKEY *key = SSL_CTX_get0_privatekey(fresh.get());
    // OpenSSL keeps a pair for each kind of key, and would go on showing the old one.
    if (const EVP_PKEY *old = SSL_CTX_get0_privatekey(context);
        old != nullptr && EVP_PKEY_get_base_id(old) != EVP_PKEY_get_base_id(key))
        throw Error(
            ExitCode::config,
            "the key " + files.key + " is of another kind than the one in use (RSA, EC): restart to use it");
    if (SSL_CTX_use_cert_and_key(context, certificate, key, chain, 1) != 1)
        refuse("the certificate " + files.cert, files.cert);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    if (!files.client_ca.empty()) {
        SSL_CTX_set1_cert_store(context, SSL_CTX_get_cert_store(fresh.get()));
        SSL_CTX_set_client_CA_list(context, SSL_dup_CA_list(SSL_CTX_get_client_CA_list(fresh.get())));
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, on_client_certificate);
        // Each connection shows its certificate anew: what it is verified by may be other files by then.
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(context, 0);
    }
    warn_of_age(files.cert, certificate);
}

std::string client_certificate_name(ssl_st *connection) {
    const Certificate certificate(SSL_get1_peer_certificate(connection));
    if (!certificate) return "";
    X509_NAME *subject = X509_get_subject_name(certificate.get());
    const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (index < 0) return "";
    unsigned char *text = nullptr;
    const int length =
        ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)));
    if (length < 0) return "";
    std::string name(reinterpret_cast<const char *>(text), static_cast<std::size_t>(length));
    OPENSSL_free(text);
    return name;
}

}  // namespace ble
