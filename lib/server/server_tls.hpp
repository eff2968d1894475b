// The certificates of a TLS server, which may be read again while it runs: existing connections keep what they have.
#pragma once

#include <string>

struct ssl_ctx_st;
struct ssl_st;

namespace ble {

struct TlsFiles {
    std::string cert, key;  // PEM: the chain, and the private key of its first certificate
    std::string
        client_ca;  // PEM: clients must have a certificate that one of these vouches for; empty: they need none
};

// Error(config) names the file and what is wrong with it.
void check_tls(const TlsFiles &files);

// Gives the context what is in the files, TLS 1.2 as the oldest protocol, and, when the first certificate has expired, a warning.
// Error(config) as from check_tls(): then the context is as before.
void load_tls(ssl_ctx_st *context, const TlsFiles &files);

// For how many days the first certificate is still good; less than 0: it has expired. Error(config) as from check_tls().
long days_left(const TlsFiles &files);

// The common name of the client's certificate, which was verified; empty: it has none.
std::string client_certificate_name(ssl_st *connection);

}  // namespace ble
