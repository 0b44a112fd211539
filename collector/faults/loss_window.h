// LossWindow: what share of one direction's packets was lost lately, and over how many separate
// seconds the losses are spread: a blackout of three seconds is a cut, not a lossy link. The last
// ten looks when they hold enough packets, else the last minute or so. Pure; a look is about a
// second; 80 octets.
#pragma once

#include <array>
#include <cstdint>

namespace linkpilot::collector {

class LossWindow {
 public:
  static constexpr std::size_t kLooks = 10;    // in the short window
  static constexpr std::size_t kBlocks = 6;    // of kLooks each, in the long one
  static constexpr double kEnough = 200;       // packets that make the short window speak
  static constexpr double kEnoughLong = 60;    // the same of the long one; below: nothing is said
  static constexpr std::uint32_t kSpread = 5;  // looks with losses that make it a lossy link ...
  static constexpr std::uint32_t kSpreadLong = 8;  // ... in the long window

  // Running totals of the direction; totals that went back begin anew.
  void look(double sent_total, double lost_total);
  // Forgets all but the totals, and leaves the next kGraceLooks out: losses of an outage that is
  // over are reported late.
  void begin_anew();

  struct Word {
    bool known = false;
    double loss_ratio = 0;
    bool spread = false;
  };
  [[nodiscard]] Word word() const;

 private:
  static constexpr std::uint8_t kGraceLooks = 3;
  struct Count {
    float sent = 0;
    float lost = 0;
    std::uint16_t lossy_looks = 0;
    void add(const Count& other);
  };
  std::array<Count, kLooks> looks_{};
  std::array<Count, kBlocks> blocks_{};
  std::uint8_t next_ = 0;
  std::uint8_t next_block_ = 0;
  std::uint8_t counted_ = 0;  // looks since it began, at most kLooks
  std::uint8_t grace_ = 0;
  bool has_totals_ = false;
  double sent_total_ = 0;
  double lost_total_ = 0;
};

}  // namespace linkpilot::collector
