// bench_lws: the yardstick for blerecv. A bare libwebsockets server: reads the body of each request and answers 201.
//   bench_lws PORT         until SIGTERM
#include <libwebsockets.h>

#include <cstdio>
#include <cstdlib>

namespace {

constexpr char answer[] = R"({"status":"stored"})";

int on_event(lws *wsi, lws_callback_reasons reason, void *, void *, std::size_t) {
    switch (reason) {
        case LWS_CALLBACK_HTTP_BODY_COMPLETION: {
            unsigned char head[LWS_PRE + 512];
            unsigned char *at = head + LWS_PRE, *const end = head + sizeof head;
            if (lws_add_http_common_headers(wsi, 201, "application/json", sizeof answer - 1, &at, end) != 0)
                return 1;
            if (lws_finalize_write_http_header(wsi, head + LWS_PRE, &at, end) != 0) return 1;
            lws_callback_on_writable(wsi);
            return 0;
        }
        case LWS_CALLBACK_HTTP_WRITEABLE: {
            unsigned char body[LWS_PRE + sizeof answer];
            for (std::size_t i = 0; i < sizeof answer; ++i)
                body[LWS_PRE + i] = static_cast<unsigned char>(answer[i]);
            if (lws_write(wsi, body + LWS_PRE, sizeof answer - 1, LWS_WRITE_HTTP_FINAL) < 0) return 1;
            return lws_http_transaction_completed(wsi) != 0 ? -1 : 0;
        }
        default:
            return 0;  // of a body nothing is kept
    }
}

}  // namespace

int main(int argc, char **argv) {
    if (argc != 2) return std::fputs("usage: bench_lws PORT\n", stderr), 64;
    lws_set_log_level(LLL_ERR, nullptr);
    lws_protocols protocols[2] = {};
    protocols[0].name = "http";
    protocols[0].callback = on_event;
    protocols[0].rx_buffer_size = 4096;
    lws_context_creation_info info = {};
    info.port = std::atoi(argv[1]);
    info.iface = "127.0.0.1";
    info.protocols = protocols;
    lws_context *const context = lws_create_context(&info);
    if (context == nullptr) return std::fputs("bench_lws: unable to listen\n", stderr), 1;
    while (lws_service(context, 0) >= 0) {
    }
}
