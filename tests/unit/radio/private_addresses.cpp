#include "catch.hpp"

#include "base/digest.hpp"
#include "base/error.hpp"
#include "base/hex_text.hpp"
#include "radio/air/private_address.hpp"
#include "radio/window/address_hasher.hpp"

using namespace std::chrono_literals;

namespace {

// The key of the specification's sample data, Vol 3 Part H D.7, and an address made with it.
const std::string key = "ec0234a357c8ad05341010a60a397d9b";
const std::string sample = "70:81:94:0d:fb:aa";
const ble::Time start = *ble::parse_rfc3339("2026-11-22T06:30:00Z");

ble::Address random_address(const std::string &text) {
    auto address = *ble::parse_address(text);
    address.type = ble::AddressType::random_device;
    return address;
}

ble::Aes128 aes(const std::string &text) {
    ble::Aes128::Block block;
    REQUIRE(ble::parse_hex(text, block));
    return ble::Aes128(block);
}

bool made_by(const std::string &text, const ble::Address &address) {
    const auto &b = address.bytes;
    return ble::is_resolvable(address) && ble::private_address_hash(aes(text), {b[0], b[1], b[2]}) ==
                                              std::array<std::uint8_t, 3>{b[3], b[4], b[5]};
}

std::string reason(const std::string &lines) {
    try {
        ble::IdentityResolver resolver(lines, "keys.txt");
    } catch (const ble::Error &error) {
        CHECK(error.code() == ble::ExitCode::config);
        return error.what();
    }
    return "taken";
}

// A private address of `maker`, for each number another one.
ble::Address private_address(const ble::Aes128 &maker, unsigned number) {
    const std::array<std::uint8_t, 3> prand{static_cast<std::uint8_t>(0x40 | (number >> 16 & 0x3f)),
                                            static_cast<std::uint8_t>(number >> 8),
                                            static_cast<std::uint8_t>(number)};
    const auto hash = ble::private_address_hash(maker, prand);
    ble::Address address;
    address.type = ble::AddressType::random_device;
    address.bytes = {prand[0], prand[1], prand[2], hash[0], hash[1], hash[2]};
    return address;
}

}  // namespace

TEST_CASE("AES-128 agrees with FIPS 197, appendix B") {
    ble::Aes128::Block plain;
    REQUIRE(ble::parse_hex("3243f6a8885a308d313198a2e0370734", plain));
    CHECK(ble::hex(aes("2b7e151628aed2a6abf7158809cf4f3c").encrypt(plain)) ==
          "3925841d02dc09fbdc118597196a0b32");
}

TEST_CASE("the specification's sample address is resolved by its key, in no other byte order") {
    CHECK(made_by(key, random_address(sample)));
    CHECK_FALSE(made_by("9b7d390aa610103405adc857a33402ec", random_address(sample)));
    CHECK_FALSE(made_by(key, random_address("aa:fb:0d:94:81:70")));
}

TEST_CASE("keys are read with names, addresses, comments and in both byte orders") {
    ble::IdentityResolver resolver("# ours\n\n Anna's phone \t" + key +
                                       " c4:f7:c1:4c:c1:c0\r\n"
                                       "Dog lsb:000102030405060708090a0b0c0d0e0f",
                                   "keys.txt");
    REQUIRE(resolver.size() == 2);
    const auto *anna = resolver.resolve(random_address(sample), start);
    REQUIRE(anna);
    CHECK(anna->name == "Anna's phone");
    CHECK(resolver.resolve(*ble::parse_address("c4:f7:c1:4c:c1:c0"), start) == anna);
    const auto *dog = resolver.resolve(private_address(aes("0f0e0d0c0b0a09080706050403020100"), 7), start);
    REQUIRE(dog);
    CHECK(dog->name == "Dog");
    CHECK(dog->number != anna->number);
}

TEST_CASE("only a random address with 01 on top is private") {
    ble::IdentityResolver resolver("Anna " + key, "keys.txt");
    auto address = random_address(sample);
    CHECK(resolver.resolve(address, start));
    address.type = ble::AddressType::public_device;
    CHECK_FALSE(resolver.resolve(address, start));
    CHECK(resolver.tried() == 1);
    for (const auto *other :
         {"40:01:02:00:00:00", "00:01:02:b2:12:da", "80:01:02:b2:12:da", "c0:01:02:b2:12:da"})
        CHECK_FALSE(resolver.resolve(random_address(other), start));
    CHECK(resolver.tried() == 2);
}

TEST_CASE("a file of keys that is wrong is refused by its line, and no key is told") {
    CHECK(reason("Anna " + key) == "taken");
    for (const auto &lines : std::initializer_list<std::string>{
             "", std::string("# none\n"), key, "Anna " + key.substr(1), "Anna " + key + "0",
             "Anna " + key + " c4:f7", "Anna msb:" + key, "Anna g" + key.substr(1), "Anna\xff " + key,
             "Anna 00000000000000000000000000000000", "Anna " + key + "\nBen " + key,
             std::string(300, 'x') + " " + key, std::string("Anna ") + std::string(1, '\0') + key,
             std::string(100'000, ' '), std::string(100'000, 'f')}) {
        const auto said = reason(lines);
        CHECK(said.starts_with("keys.txt"));
        CHECK(said.find(key.substr(1, 30)) == said.npos);
        CHECK(said.size() < 200);
    }
    CHECK(reason("# ours\nAnna " + key.substr(1)).starts_with("keys.txt, line 2: "));
    std::string many;
    for (unsigned i = 0; i <= ble::IdentityResolver::most_keys; ++i) {
        char line[64];
        std::snprintf(line, sizeof line, "N%u %032x\n", i, i + 1);
        many += line;
    }
    CHECK(reason(many).find("at most 1000 keys") != std::string::npos);
}

TEST_CASE("a known address costs no key, and an old one is forgotten") {
    const auto maker = aes(key);
    ble::IdentityResolver resolver("Anna " + key + "\nBen 0f0e0d0c0b0a09080706050403020100", "keys.txt");
    const auto stranger = private_address(aes("2b7e151628aed2a6abf7158809cf4f3c"), 1);
    for (int i = 0; i < 1000; ++i) CHECK_FALSE(resolver.resolve(stranger, start + i * 1s));
    CHECK(resolver.tried() < 7);  // each generation once, no more
    for (unsigned i = 0; i < 100'000; ++i) {
        REQUIRE(resolver.resolve(private_address(maker, i), start + 20min));
        REQUIRE(resolver.remembered() <= 2 * ble::IdentityResolver::most_remembered + 1);
    }
    const auto tried = resolver.tried();
    CHECK(resolver.resolve(private_address(maker, 99'999), start + 21min));
    CHECK(resolver.tried() == tried);
    CHECK(resolver.resolve(private_address(maker, 0), start + 21min));
    CHECK(resolver.tried() > tried);
    resolver.resolve(stranger, start + 3h);
    CHECK(resolver.remembered() == 1);
}

TEST_CASE("an identity is hashed by its address, or by what stands for its key") {
    const ble::AddressHasher plain({}), keyed(std::string("a key"));
    ble::IdentityResolver with("Anna " + key + " c4:f7:c1:4c:c1:c0", "keys.txt");
    CHECK(plain.hash(*with.resolve(random_address(sample), start)) == ble::hex(ble::sha256("C4F7C14CC1C0")));
    ble::IdentityResolver without("Anna " + key, "keys.txt"), renamed("Ben " + key, "keys.txt");
    const auto *identity = without.resolve(random_address(sample), start);
    const std::string bytes("\xec\x02\x34\xa3\x57\xc8\xad\x05\x34\x10\x10\xa6\x0a\x39\x7d\x9b", 16);
    CHECK(keyed.hash(*identity) ==
          ble::hex(ble::hmac_sha256("a key", "IRK:" + ble::hex(ble::sha256(bytes)))));
    CHECK(keyed.hash(*identity) == keyed.hash(*renamed.resolve(random_address(sample), start)));
    CHECK(keyed.hash(*identity) != plain.hash(*identity));
}
