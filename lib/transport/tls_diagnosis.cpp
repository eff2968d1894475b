#include "transport/tls_diagnosis.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <thread>
#include <utility>

#include "base/log.hpp"
#include "base/timestamp.hpp"
#include "base/unique_fd.hpp"
#include "transport/address_race.hpp"
#include "transport/steered_lookup.hpp"

namespace ble {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds verdict_limit(2000);  // for what a peer says of our certificate, after the handshake
constexpr int most_names = 3;                // of a certificate, in a message

template <auto function>
struct Free {
    template <typename T>
    void operator()(T *object) const {
        function(object);
    }
};
template <typename T, auto function>
using Held = std::unique_ptr<T, Free<function>>;

std::string date_of(const ASN1_TIME *time) {
    tm parts{};
    if (ASN1_TIME_to_tm(time, &parts) != 1) return "an unknown day";
    char text[16];
    std::strftime(text, sizeof text, "%Y-%m-%d", &parts);
    return text;
}

std::string today() {
    return format_ms(std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()))
        .substr(0, 10);
}

std::string common_name(const X509_NAME *name) {
    char text[256] = "";
    X509_NAME_get_text_by_NID(const_cast<X509_NAME *>(name), NID_commonName, text, sizeof text);
    return text[0] == '\0' ? "(no name)" : printable(text);
}

std::string address_text(const ASN1_OCTET_STRING *bytes) {
    char text[INET6_ADDRSTRLEN] = "";
    ::inet_ntop(ASN1_STRING_length(bytes) == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(bytes), text,
                sizeof text);
    return text;
}

// Whom a certificate is for.
std::string names_of(const X509 *certificate) {
    const Held<GENERAL_NAMES, GENERAL_NAMES_free> names(
        static_cast<GENERAL_NAMES *>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    std::string out;
    const int count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
    for (int i = 0; i < count && i < most_names; ++i) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names.get(), i);
        std::string text;
        if (name->type == GEN_DNS)
            text = printable({reinterpret_cast<const char *>(ASN1_STRING_get0_data(name->d.dNSName)),
                              static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName))});
        if (name->type == GEN_IPADD) text = address_text(name->d.iPAddress);
        if (!text.empty()) out += (out.empty() ? "" : ", ") + text;
    }
    if (out.empty()) return common_name(X509_get_subject_name(certificate));
    return out + (count > most_names ? " …" : "");
}

// What to do about a certificate that is refused with this X509_V_ERR_… code.
std::string certificate_advice(long verify_error) {
    switch (verify_error) {
        case X509_V_ERR_CERT_HAS_EXPIRED:
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return "renew it there, unless this machine's clock is wrong: it says " + today();
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            return "add the intermediate certificates to its certificate file there, or name the authority's "
                   "with --cafile";
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            return "connect by a name that is in the certificate, or have one made with the name that you "
                   "use";
        default:
            return "name the certificate of its authority with --cafile";
    }
}

class Handshake {
  public:
    Handshake(const TlsPeer &peer, Clock::time_point end) : peer_(peer), end_(end) {}
    std::string examine();

  private:
    bool dial();
    bool prepare();
    // Repeats an operation until it is done, fails, or `end` comes: its last result.
    template <typename Operation>
    int drive(Clock::time_point end, Operation operation);
    bool wait(short what, Clock::time_point end) const;
    std::string of_certificate() const;
    std::string of_ours(int result) const;

    const TlsPeer &peer_;
    Clock::time_point end_;
    UniqueFd socket_;
    Held<SSL_CTX, SSL_CTX_free> context_;
    Held<SSL, SSL_free> ssl_;
    bool asked_ = false;  // for a certificate of ours, and we have none
};

bool Handshake::wait(short what, Clock::time_point end) const {
    pollfd ask{socket_.get(), what, 0};
    const auto left = std::max(milliseconds(0), std::chrono::ceil<milliseconds>(end - Clock::now()));
    return ::poll(&ask, 1, static_cast<int>(left.count())) > 0;
}

bool Handshake::dial() {
    addrinfo hints{}, *list = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    if (look_up_unsteered(peer_.address.c_str(), std::to_string(peer_.port).c_str(), &hints, &list) != 0)
        return false;
    socket_ = UniqueFd(::socket(list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const bool under_way =
        ::connect(socket_.get(), list->ai_addr, list->ai_addrlen) == 0 || errno == EINPROGRESS;
    ::freeaddrinfo(list);
    return under_way && wait(POLLOUT, end_);
}

bool Handshake::prepare() {
    context_.reset(SSL_CTX_new(TLS_client_method()));
    if (!context_) return false;
    SSL_CTX *context = context_.get();
    if (!peer_.cafile.empty()) SSL_CTX_load_verify_file(context, peer_.cafile.c_str());
    if (!peer_.capath.empty()) SSL_CTX_load_verify_dir(context, peer_.capath.c_str());
    if (peer_.cafile.empty() && peer_.capath.empty()) SSL_CTX_set_default_verify_paths(context);
    if (!peer_.cert.empty()) {
        SSL_CTX_use_certificate_chain_file(context, peer_.cert.c_str());
        const std::string &key = peer_.key.empty() ? peer_.cert : peer_.key;
        SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM);
    }
    SSL_CTX_set_client_cert_cb(context, [](SSL *ssl, X509 **, EVP_PKEY **) {
        *static_cast<bool *>(SSL_get_app_data(ssl)) = true;
        return 0;
    });
    ssl_.reset(SSL_new(context));
    if (!ssl_ || SSL_set_fd(ssl_.get(), socket_.get()) != 1) return false;
    SSL_set_app_data(ssl_.get(), &asked_);
    in6_addr scratch;
    if (::inet_pton(AF_INET, peer_.name.c_str(), &scratch) == 1 ||
        ::inet_pton(AF_INET6, peer_.name.c_str(), &scratch) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), peer_.name.c_str()) == 1;
    return SSL_set_tlsext_host_name(ssl_.get(), peer_.name.c_str()) == 1 &&
           SSL_set1_host(ssl_.get(), peer_.name.c_str()) == 1;
}

template <typename Operation>
int Handshake::drive(Clock::time_point end, Operation operation) {
    for (;;) {
        ERR_clear_error();
        const int result = operation();
        const int error = SSL_get_error(ssl_.get(), result);
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) return error;
        if (!wait(error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, end)) return error;
    }
}

// OpenSSL verifies, and goes on whatever it finds: that is SSL_VERIFY_NONE, a client's default.
std::string Handshake::examine() {
    if (!dial() || !prepare()) return {};
    const int shaken = drive(end_, [&] { return SSL_connect(ssl_.get()); });
    if (const auto text = of_certificate(); !text.empty() || shaken != SSL_ERROR_NONE)
        return text.empty() ? of_ours(shaken) : text;
    if (!asked_ && peer_.cert.empty()) return {};
    char byte;
    const auto end = std::min(end_, Clock::now() + verdict_limit);
    return of_ours(drive(end, [&] { return SSL_read(ssl_.get(), &byte, 1); }));
}

std::string Handshake::of_certificate() const {
    const Held<X509, X509_free> certificate(SSL_get1_peer_certificate(ssl_.get()));
    const long error = SSL_get_verify_result(ssl_.get());
    if (!certificate || error == X509_V_OK || peer_.insecure) return {};
    std::string text;
    switch (error) {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            text = X509_cmp_current_time(X509_get0_notAfter(certificate.get())) < 0
                       ? "its certificate has expired on " + date_of(X509_get0_notAfter(certificate.get()))
                       : "the certificate of its issuer has expired";
            break;
        case X509_V_ERR_CERT_NOT_YET_VALID:
            text = "its certificate is not valid before " + date_of(X509_get0_notBefore(certificate.get()));
            break;
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: {
            STACK_OF(X509) *const chain = SSL_get_peer_cert_chain(ssl_.get());
            X509 *const last = sk_X509_value(chain, sk_X509_num(chain) - 1);
            text = "the certificate of the issuer '" + common_name(X509_get_issuer_name(last)) +
                   "' is missing: neither does it come with its own, nor do we have it";
            break;
        }
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            text = "its certificate is for another host name: for " + names_of(certificate.get()) +
                   ", not for " + peer_.name;
            break;
        default:
            text =
                std::string("its certificate is not trusted (") + X509_verify_cert_error_string(error) + ")";
    }
    return text + "; " + certificate_advice(error);
}

// `result`: how the handshake, or a first read after it, has ended (SSL_ERROR_…).
std::string Handshake::of_ours(int result) const {
    const bool waits = result == SSL_ERROR_WANT_READ || result == SSL_ERROR_WANT_WRITE;
    if (waits || result == SSL_ERROR_NONE) return {};
    if (asked_) return "it asks for a certificate of ours; give one with --cert and --key";
    const auto error = ERR_peek_last_error();
    if (peer_.cert.empty() || result != SSL_ERROR_SSL || ERR_GET_REASON(error) < SSL_AD_REASON_OFFSET)
        return {};
    return "it does not accept our certificate (" + printable(ERR_reason_error_string(error)) +
           "); does --cert name the right one, "
           "is it still valid, and does the other side trust its issuer?";
}

}  // namespace

std::string diagnose_tls(const TlsPeer &peer, milliseconds limit) {
    std::string text = Handshake(peer, Clock::now() + limit).examine();
    ERR_clear_error();
    return text;
}

void look_at_tls_later(TlsPeer peer, std::function<void(const std::string &found)> tell) {
    std::thread([peer = std::move(peer), tell = std::move(tell)]() mutable {
        constexpr std::chrono::seconds limit(5);  // of the lookup, and of the handshake
        if (peer.address.empty()) peer.address = find_address(peer.name, peer.port, {}, limit).address;
        tell(peer.address.empty() ? "" : diagnose_tls(peer, limit));
    }).detach();
}

}  // namespace ble
