// Stands for the headers that CMakeLists.txt has precompiled here.
