// A small virtual Bluetooth controller on /dev/vhci, for tests of scanners: LE only, with legacy advertising.
//
// It answers the commands with which Linux brings a controller up. While it is asked to scan it sends an LE Advertising
// Report event for each line of a text file, in the file's order:
//
//   ADDRESS            random|public  ind|direct|scan|nonconn|rsp  RSSI,RSSI...  DATA
//
// RSSI: cycled, one for each report; 127: not available. DATA: hex digits; "-" is none; each NN counts the line's reports.
// rsp, a scan response, is sent in active scans only and stands behind the ind or scan of its address (Linux holds back
// a lone ind to merge it with its scan response). '#' starts a comment.
//
//   controller [-i MS] [-n ROUNDS] [-r SECONDS] [-d 0|1|2] [-A ADDRESS] [-l LOG] FILE
//
//   -i  each line is sent once in so many milliseconds (100)
//   -n  goes silent after so many rounds, and writes "all sent" to the log (0: never)
//   -r  random addresses live so long, one line's after the other's; then the line has a new one: it counts up in the third
//       and fourth byte from the right (0: for ever; not for a line with a rsp)
//   -d  what its duplicate filter does when it is switched on: 0 nothing (default), 1 one report for each address and
//       event type, 2 for each different data
//   -l  appends the truth: "SECONDS adv ADDRESS rssi N count N" for each report sent and "SECONDS cmd OPCODE len N" for
//       each command (200c, LE Set Scan Enable, adds on or off), by CLOCK_MONOTONIC
//
// SIGHUP: reads FILE again, and logs "read N"; an empty one is an empty room. SIGUSR1: goes silent, as controllers do
// after days, and logs "silent": it answers every command and sends no report, until the next Reset (HCI_Reset).
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PKT_CMD = 1, PKT_EVT = 4, PKT_VENDOR = 0xff };
enum { EVT_CMD_COMPLETE = 0x0e, EVT_CMD_STATUS = 0x0f, EVT_LE_META = 0x3e, LE_ADV_REPORT = 0x02 };
#define MAX_ADV 4096

struct adv {
    uint8_t addr[6], type, event, len, data[31], counter_at[31], ncounter, count;
    int8_t rssi[16];
    unsigned nrssi, sent;
    double until;  // the end of its address; 0: has not been sent
    int reported;  // already reported in this scan (dup filter)
    uint8_t last[31];
    uint8_t last_len;
};

static struct adv *advs;
static int nadv, fd = -1, dupmode, interval_ms = 100, rounds;
static double life;
static int scanning, active, filter_dup, silent;
static unsigned long total;
static uint8_t own[6] = {0x01, 0x00, 0x5e, 0x00, 0x53, 0x00};  // little endian: 00:53:00:5E:00:01
static FILE *logfile;
static volatile sig_atomic_t reload, hang, stop;

static void on_signal(int s) {
    if (s == SIGHUP)
        reload = 1;
    else if (s == SIGUSR1)
        hang = 1;
    else
        stop = 1;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int parse_addr(const char *s, uint8_t *out) {
    unsigned b[6];
    if (sscanf(s, "%2x:%2x:%2x:%2x:%2x:%2x", b, b + 1, b + 2, b + 3, b + 4, b + 5) != 6) return -1;
    for (int i = 0; i < 6; i++) out[i] = (uint8_t)b[5 - i];
    return 0;
}

static int parse_line(char *line, struct adv *a) {
    static const char *const events[] = {"ind", "direct", "scan", "nonconn", "rsp"};
    char *w[5], *save = NULL, *p;
    int n = 0, i;
    if ((p = strchr(line, '#'))) *p = 0;
    for (p = strtok_r(line, " \t\r\n", &save); p && n < 5; p = strtok_r(NULL, " \t\r\n", &save)) w[n++] = p;
    if (!n) return 0;
    memset(a, 0, sizeof(*a));
    if (n != 5 || parse_addr(w[0], a->addr)) return -1;
    if (!strcmp(w[1], "random"))
        a->type = 1;
    else if (strcmp(w[1], "public"))
        return -1;
    for (i = 0; i < 5 && strcmp(w[2], events[i]); i++)
        ;
    if (i == 5) return -1;
    a->event = (uint8_t)i;
    for (p = strtok_r(w[3], ",", &save); p && a->nrssi < 16; p = strtok_r(NULL, ",", &save))
        a->rssi[a->nrssi++] = (int8_t)atoi(p);
    if (!a->nrssi) return -1;
    for (p = strcmp(w[4], "-") ? w[4] : ""; *p; p += 2) {
        char hex[3] = {p[0], p[1], 0};
        if (a->len >= 31) return -1;
        if (!strcmp(hex, "NN"))
            a->counter_at[a->ncounter++] = a->len++;
        else if (isxdigit((unsigned char)hex[0]) && isxdigit((unsigned char)hex[1]))
            a->data[a->len++] = (uint8_t)strtoul(hex, NULL, 16);
        else
            return -1;
    }
    return 1;
}

static int load(const char *file) {
    FILE *f = fopen(file, "r");
    char line[512];
    int no = 0, n = 0, r;
    if (!f) {
        fprintf(stderr, "controller: %s: %s\n", file, strerror(errno));
        return -1;
    }
    while (fgets(line, sizeof(line), f) && n < MAX_ADV) {
        no++;
        r = parse_line(line, &advs[n]);
        if (r < 0) {
            fprintf(stderr, "controller: %s:%d: bad line\n", file, no);
            fclose(f);
            return -1;
        }
        n += r;
    }
    fclose(f);
    nadv = n;
    return 0;
}

static void send_event(uint8_t code, const uint8_t *par, size_t len) {
    uint8_t b[3 + 255] = {PKT_EVT, code, (uint8_t)len};
    memcpy(b + 3, par, len);
    if (write(fd, b, 3 + len) < 0 && errno != EAGAIN) perror("controller: write");
}

static void complete(uint16_t op, const uint8_t *ret, size_t len) {
    uint8_t b[255] = {1, (uint8_t)op, (uint8_t)(op >> 8)};
    memcpy(b + 3, ret, len);
    send_event(EVT_CMD_COMPLETE, b, 3 + len);
}

static void command(uint16_t op, const uint8_t *p, size_t n) {
    uint8_t r[252] = {0};  // return parameters; r[0]: status, 0 = success
    size_t len = 1;

    if (logfile)
        fprintf(logfile, "%.3f cmd %04x len %zu%s\n", now(), op, n,
                op != 0x200c || n < 1 ? ""
                : p[0]                ? " on"
                                      : " off");
    switch (op) {
        case 0x0c03:
            scanning = silent = 0;
            break;  // Reset
        case 0x1001:
            r[1] = r[4] = 9;
            r[5] = r[6] = 0xff;
            len = 9;
            break;             // Local Version: 5.0
        case 0x1002:           // Local Supported Commands
            r[1 + 5] = 0xc0;   // set event mask, reset
            r[1 + 14] = 0x28;  // read version, features
            r[1 + 15] = 0x02;  // read bd_addr
            r[1 + 25] = 0xf7;  // LE mask, buffer, features, random address, adv*
            r[1 + 26] = 0xcf;  // scan rsp, adv enable, scan*, accept list size, clear
            r[1 + 27] = 0x83;  // accept list add, remove; rand
            r[1 + 28] = 0x08;  // LE states
            len = 65;
            break;
        case 0x1003:
            r[1 + 4] = 0x60;
            len = 9;
            break;  // Local Features: LE, no BR/EDR
        case 0x1009:
            memcpy(r + 1, own, 6);
            len = 7;
            break;  // BD_ADDR
        case 0x2002:
            r[1] = 27;
            r[3] = 8;
            len = 4;
            break;  // LE Buffer Size: 27 bytes, 8 packets
        case 0x2003:
            len = 9;
            break;  // LE Local Features: none
        case 0x2007:
            len = 2;
            break;  // LE Advertising TX Power: 0
        case 0x200f:
            r[1] = 16;
            len = 2;
            break;  // LE Filter Accept List Size
        case 0x2018:
            for (; len < 9; len++) r[len] = (uint8_t)rand();
            break;  // LE Rand
        case 0x201c:
            memset(r + 1, 0xff, 5);
            r[6] = 3;
            len = 9;
            break;  // LE Supported States
        case 0x200b:
            active = n > 0 && p[0] == 1;
            break;    // LE Set Scan Parameters
        case 0x200c:  // LE Set Scan Enable
            if (n < 2) break;
            for (int i = 0; i < nadv && p[0] && !scanning; i++) advs[i].reported = 0;
            scanning = p[0];
            filter_dup = p[1];
            printf("controller: scan %s %s filter_dup %d (sent so far %lu)\n", scanning ? "on" : "off",
                   active ? "active" : "passive", filter_dup, total);
            break;
        case 0x200d:
        case 0x2016:
        case 0x0406:
        case 0x041d:  // connections: Command Status, refused
            send_event(EVT_CMD_STATUS, (uint8_t[]){0x0c, 1, (uint8_t)op, (uint8_t)(op >> 8)}, 4);
            return;
        default:  // setters (event masks, adv data, random address, ...): success; the rest unknown
            if (op >> 10 != 0x03 && op >> 10 != 0x08) r[0] = 0x01;
    }
    complete(op, r, len);
}

// The ends of the lines' addresses are spread over their life.
static void rotate(struct adv *a, double time) {
    if (a->type != 1 || life <= 0) return;
    if (a->until == 0) a->until = time + life * (double)(a - advs + 1) / nadv;
    if (time < a->until) return;
    a->until += life;
    a->reported = 0;
    if (++a->addr[2] == 0) a->addr[3]++;
}

static void report(struct adv *a) {
    uint8_t b[64], d[31];
    int8_t rssi = a->rssi[a->sent % a->nrssi];
    size_t n = 0;
    if (a->event == 4 && !active) return;
    memcpy(d, a->data, a->len);
    for (int i = 0; i < a->ncounter; i++) d[a->counter_at[i]] = a->count;
    a->count++;
    a->sent++;
    if (filter_dup && dupmode && a->reported &&
        (dupmode == 1 || (a->len == a->last_len && !memcmp(d, a->last, a->len))))
        return;
    a->reported = 1;
    a->last_len = a->len;
    memcpy(a->last, d, a->len);
    b[n++] = LE_ADV_REPORT;
    b[n++] = 1;
    b[n++] = a->event;
    b[n++] = a->type;
    memcpy(b + n, a->addr, 6);
    n += 6;
    b[n++] = a->len;
    memcpy(b + n, d, a->len);
    n += a->len;
    b[n++] = (uint8_t)rssi;
    send_event(EVT_LE_META, b, n);
    total++;
    if (logfile)
        fprintf(logfile, "%.3f adv %02X:%02X:%02X:%02X:%02X:%02X rssi %d count %u\n", now(), a->addr[5],
                a->addr[4], a->addr[3], a->addr[2], a->addr[1], a->addr[0], rssi,
                (unsigned)(uint8_t)(a->count - 1));
}

int main(int argc, char **argv) {
    uint8_t buf[1024];
    double next = 0;
    int o;
    while ((o = getopt(argc, argv, "i:n:r:d:A:l:")) != -1) switch (o) {
            case 'i':
                interval_ms = atoi(optarg);
                break;
            case 'n':
                rounds = atoi(optarg);
                break;
            case 'r':
                life = atof(optarg);
                break;
            case 'd':
                dupmode = atoi(optarg);
                break;
            case 'A':
                if (parse_addr(optarg, own)) return 2;
                break;
            case 'l':
                if ((logfile = fopen(optarg, "a"))) setvbuf(logfile, NULL, _IOLBF, 0);
                break;
            default:
                return 2;
        }
    if (optind >= argc || interval_ms < 1 || !(advs = calloc(MAX_ADV, sizeof(*advs))) || load(argv[optind]))
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct sigaction sa = {.sa_handler = on_signal};
    sigaction(SIGHUP, &sa, NULL);
    sigaction(SIGUSR1, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    fd = open("/dev/vhci", O_RDWR | O_CLOEXEC);
    if (fd < 0 || write(fd, "\xff\x00", 2) != 2) {  // vendor packet: create a primary controller
        perror("controller: /dev/vhci");
        return 1;
    }
    while (!stop) {
        struct pollfd pf = {.fd = fd, .events = POLLIN};
        double wait = scanning ? (next - now()) * 1000 : 1000;
        int r = poll(&pf, 1, wait > 0 ? (int)wait + 1 : 0);
        if (reload) {
            reload = 0;
            load(argv[optind]);
            if (logfile) fprintf(logfile, "%.3f read %d\n", now(), nadv);
        }
        if (hang) {
            hang = 0;
            silent = 1;
            if (logfile) fprintf(logfile, "%.3f silent\n", now());
        }
        if (r > 0 && (pf.revents & POLLIN)) {
            ssize_t n = read(fd, buf, sizeof(buf));
            int was = scanning;
            if (n >= 4 && buf[0] == PKT_CMD)
                command((uint16_t)(buf[1] | buf[2] << 8), buf + 4, (size_t)n - 4);
            else if (n >= 4 && buf[0] == PKT_VENDOR)
                printf("controller: hci%d, %d adverts\n", buf[2] | buf[3] << 8, nadv);
            if (scanning && !was) next = now() + 0.005;
        } else if (r > 0) {
            break;
        }
        if (scanning && now() >= next) {
            const double time = now();
            for (int i = 0; i < nadv && !silent; i++) {
                rotate(&advs[i], time);
                report(&advs[i]);
            }
            if (rounds > 0 && --rounds == 0) {
                silent = 1;
                if (logfile) fprintf(logfile, "%.3f all sent\n", now());
            }
            next += interval_ms / 1000.0;
            if (next < now()) next = now() + interval_ms / 1000.0;  // fell behind: do not burst
        }
    }
    return 0;
}
