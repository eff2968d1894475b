// bench_handover: the yardstick for blesub. As little as hands a broker's messages to a pipe and acknowledges them when its reader has
// consumed them: no parsing, no second attempt, no signals.
//   bench_handover PORT TOPIC CLIENT_ID WINDOW COUNT       COUNT 0: make the session and end
#include <fcntl.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

struct State {
    std::string topic, lines;
    long held = 0, count = 0;
    bool subscribed = false;
};

void on_connect(mosquitto *client, void *state, int, int, const mosquitto_property *) {
    mosquitto_subscribe(client, nullptr, static_cast<State *>(state)->topic.c_str(), 1);
}
void on_subscribe(mosquitto *, void *state, int, int, const int *, const mosquitto_property *) {
    static_cast<State *>(state)->subscribed = true;
}
void on_message(mosquitto *, void *context, const mosquitto_message *message, const mosquitto_property *) {
    State &state = *static_cast<State *>(context);
    state.lines.append(static_cast<const char *>(message->payload),
                       static_cast<std::size_t>(message->payloadlen));
    state.lines += '\n';
    ++state.held;
}

bool must(bool fine, const char *what) {
    if (!fine) std::perror(what), std::exit(1);
    return fine;
}

// Returns when the reader has consumed all of it.
void hand_over(const std::string &lines) {
    for (std::size_t done = 0; done < lines.size();) {
        const auto size = ::write(STDOUT_FILENO, lines.data() + done, lines.size() - done);
        must(size > 0, "write");
        done += static_cast<std::size_t>(size);
    }
    for (int standing = 1; standing > 0;) {
        must(::ioctl(STDOUT_FILENO, FIONREAD, &standing) == 0, "FIONREAD");
        if (standing > 0) ::usleep(50);
    }
}

mosquitto *connect(State &state, char **argv) {
    const int window = std::atoi(argv[4]);
    mosquitto_lib_init();
    mosquitto *client = mosquitto_new(argv[3], false, &state);
    mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    mosquitto_int_option(client, MOSQ_OPT_RECEIVE_MAXIMUM, window);
    mosquitto_threaded_set(client, true);  // so that nothing is written but by mosquitto_loop_write()
    mosquitto_connect_v5_callback_set(client, on_connect);
    mosquitto_subscribe_v5_callback_set(client, on_subscribe);
    mosquitto_message_v5_callback_set(client, on_message);
    mosquitto_property *properties = nullptr;
    mosquitto_property_add_int16(&properties, MQTT_PROP_RECEIVE_MAXIMUM, static_cast<std::uint16_t>(window));
    mosquitto_property_add_int32(&properties, MQTT_PROP_SESSION_EXPIRY_INTERVAL, 3600);
    must(mosquitto_connect_bind_v5(client, "127.0.0.1", std::atoi(argv[1]), 60, nullptr, properties) ==
             MOSQ_ERR_SUCCESS,
         "connect");
    return client;
}

}  // namespace

int main(int argc, char **argv) {
    if (argc != 6) return std::fputs("usage: bench_handover PORT TOPIC CLIENT_ID WINDOW COUNT\n", stderr), 64;
    ::fcntl(STDOUT_FILENO, F_SETPIPE_SZ, 1 << 20);  // of a window one transaction
    State state{argv[2], {}};
    mosquitto *const client = connect(state, argv);
    const int socket = mosquitto_socket(client);
    const long window = std::atol(argv[4]), count = std::atol(argv[5]);
    while (!state.subscribed || state.count < count) {
        // A window that is full, or what comes within a millisecond.
        for (pollfd ask{socket, POLLIN, 0};
             state.held<window && ::poll(&ask, 1, state.held > 0 ? 1 : 100)> 0;)
            must(mosquitto_loop_read(client, 1) == MOSQ_ERR_SUCCESS, "read");
        if (state.held > 0) hand_over(state.lines);
        state.count += state.held;
        state.held = 0;
        state.lines.clear();
        must(mosquitto_loop_write(client, 1) == MOSQ_ERR_SUCCESS, "write to the broker");
    }
    mosquitto_disconnect(client);
    mosquitto_loop_write(client, 1);
}
