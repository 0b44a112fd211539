// A small picture to draw on, and its PNG (ISO/IEC 15948): lines and areas with smooth edges, and
// numbers in strokes. Enough for a chart in a mail. Pure; a point outside is not drawn.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace linkpilot::collector {

struct Colour {
  std::uint8_t red = 0;
  std::uint8_t green = 0;
  std::uint8_t blue = 0;
  friend bool operator==(Colour, Colour) = default;
};

struct Point {
  double x = 0;  // pixels from the left edge ...
  double y = 0;  // ... and from the top
};

class Canvas {
 public:
  static constexpr int kSideMax = 2'048;

  // Sides beyond kSideMax are cut to it.
  Canvas(int width, int height, Colour ground);

  [[nodiscard]] int width() const { return width_; }
  [[nodiscard]] int height() const { return height_; }
  [[nodiscard]] Colour at(int x, int y) const;

  void fill(Point corner, Point opposite, Colour colour, double cover = 1);
  void line(Point from, Point to, double thickness, Colour colour);
  void dashed(Point from, Point to, double thickness, double dash, Colour colour);
  // `at`: the left end of the base line. Knows digits and " .:%+-ms"; skips other characters.
  void text(Point at, double height, std::string_view text, Colour colour);
  [[nodiscard]] static double text_width(double height, std::string_view text);

  // Eight bits each of red, green and blue.
  [[nodiscard]] std::string png() const;

 private:
  void blend(int x, int y, Colour colour, double cover);
  int width_;
  int height_;
  std::vector<std::uint8_t> pixels_;  // rows of red, green, blue
};

}  // namespace linkpilot::collector
