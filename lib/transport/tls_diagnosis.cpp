#include "transport/tls_diagnosis.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>

#include <algorithm>
#include <memory>
#include <thread>
#include <utility>

#include "base/log.hpp"
#include "base/timestamp.hpp"
#include "transport/address_race.hpp"
#include "transport/port_diagnosis.hpp"

namespace ble {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds handshake_limit(3000);  // so that there is time left to ask in plain
constexpr milliseconds verdict_limit(2000);    // for what a peer says of our certificate, after the handshake
constexpr char no_broker[] = "this is no MQTT broker: it speaks HTTP; is the port right?";
constexpr int most_names = 3;  // of a certificate, in a message

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
    bool prepare();
    // Repeats an operation until it is done, fails, or `end` comes: its last result.
    template <typename Operation>
    int drive(Clock::time_point end, Operation operation);
    bool reached() const;
    bool speaks_http();
    std::string of_port() const;
    std::string of_certificate() const;
    std::string of_ours(int result) const;

    const TlsPeer &peer_;
    Clock::time_point end_;
    UniqueFd socket_;
    Held<SSL_CTX, SSL_CTX_free> context_;
    Held<SSL, SSL_free> ssl_;
    bool asked_ = false;  // for a certificate of ours, and we have none
};

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
        if (!wait_for(socket_.get(), error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, end)) return error;
    }
}

// OpenSSL verifies, and goes on whatever it finds: that is SSL_VERIFY_NONE, a client's default.
std::string Handshake::examine() {
    socket_ = dial(peer_.address, peer_.port, end_);
    if (!socket_ || !prepare()) return {};
    const int shaken =
        drive(std::min(end_, Clock::now() + handshake_limit), [&] { return SSL_connect(ssl_.get()); });
    if (!peer_.tls || !reached()) return of_port();
    if (const auto text = of_certificate(); !text.empty() || shaken != SSL_ERROR_NONE)
        return text.empty() ? of_ours(shaken) : text;
    const bool mqtt = peer_.protocol == TlsPeer::Protocol::mqtt;
    if (!asked_ && peer_.cert.empty()) return mqtt && speaks_http() ? no_broker : "";
    char byte;
    const auto end = std::min(end_, Clock::now() + verdict_limit);
    return of_ours(drive(end, [&] { return SSL_read(ssl_.get(), &byte, 1); }));
}

// Has the other side said anything that is TLS?
bool Handshake::reached() const {
    const auto state = SSL_get_state(ssl_.get());
    const auto error = ERR_peek_last_error();
    const bool alert = ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) >= SSL_AD_REASON_OFFSET;
    return alert || (state != TLS_ST_BEFORE && state != TLS_ST_CW_CLNT_HELLO);
}

bool Handshake::speaks_http() {
    const auto question = http_question(peer_.name);
    const auto end = std::min(end_, Clock::now() + verdict_limit);
    char answer[5] = "";
    const auto ask = [&] {
        return SSL_write(ssl_.get(), question.data(), static_cast<int>(question.size()));
    };
    const auto hear = [&] { return SSL_read(ssl_.get(), answer, sizeof answer); };
    return drive(end, ask) == SSL_ERROR_NONE && drive(end, hear) == SSL_ERROR_NONE &&
           std::string_view(answer, sizeof answer) == "HTTP/";
}

// What is there, when there is no TLS or we do not want it.
std::string Handshake::of_port() const {
    const bool mqtt = peer_.protocol == TlsPeer::Protocol::mqtt;
    if (reached())
        return mqtt ? "this port wants TLS: say --tls, or mqtts:// in the URL"
                    : "this port wants TLS: write https:// in the URL";
    const auto spoken = ask_in_plain(peer_.address, peer_.port, end_);
    if (spoken == Spoken::unknown) return {};
    const bool ours = (spoken == Spoken::mqtt) == mqtt;
    if (ours && !peer_.tls) return {};
    if (ours)
        return std::string("there is no TLS at this port: it speaks plain ") + (mqtt ? "MQTT" : "HTTP") +
               "; name the port that has TLS" + (mqtt ? ", usually 8883" : "");
    const std::string other = mqtt ? no_broker : "this is no HTTP server: it speaks MQTT";
    return peer_.tls ? "there is no TLS at this port, and " + other : other;
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
        constexpr std::chrono::seconds limit(5);  // of the lookup, and of all questions
        if (peer.address.empty()) peer.address = find_address(peer.name, peer.port, {}, limit).address;
        tell(peer.address.empty() ? "" : diagnose_tls(peer, limit));
    }).detach();
}

}  // namespace ble
