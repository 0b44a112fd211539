// What the doctor says: one finding a check, with what it means and the command that mends it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace linkpilot::cli {

enum class Health : std::uint8_t { ok, warn, bad };
[[nodiscard]] std::string_view to_string(Health health);

struct Finding {
  Health health = Health::ok;
  std::string check;    // a stable name: "clock.sync"
  std::string found;    // "the clock is not synchronised (maximum error 16 s)"
  std::string meaning;  // what follows from it; empty when ok
  std::string fix;      // a command, or what to change; empty when ok
};

// A door that a firewall has to leave open, out of the configurations of this host.
struct OpenPort {
  std::string direction;  // "in", "out"
  std::string protocol;   // "udp", "tcp"
  std::string address;    // ours for "in", the other's for "out"; "any"
  std::uint16_t port = 0;
  std::string peer;  // who is at the other end
  std::string why;
};

struct Examination {
  std::vector<Finding> findings;
  std::vector<OpenPort> ports;
  std::vector<std::string> unseen;  // what could not be looked at, and why

  void add(Health health, std::string check, std::string found, std::string meaning = "",
           std::string fix = "") {
    findings.push_back(
        {health, std::move(check), std::move(found), std::move(meaning), std::move(fix)});
  }
  [[nodiscard]] Health worst() const;
};

}  // namespace linkpilot::cli
