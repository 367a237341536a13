# Throughput and p99 over connections.  plot.py gives: data (a file of blocks, one a kind, separated by two empty lines, whose
# lines are "connections median min max p99"), kinds (the blocks' names), what, output.
set terminal svg size 900,420 dynamic background rgb 'white' font 'sans-serif,13'
set output output
set multiplot layout 1,2 title what
set logscale x 2
set grid ytics lc rgb '#dddddd'
set border 3
set tics nomirror
set xlabel 'connections'
set key below
set offsets graph 0.05, graph 0.05, 0, 0
set yrange [0:*]
set ylabel 'requests a second (median, least and most)'
plot for [i = 1:words(kinds)] data index i-1 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.6 title word(kinds, i)
set ylabel 'p99, ms'
plot for [i = 1:words(kinds)] data index i-1 using 1:5 with linespoints lw 2 pt 7 ps 0.6 title word(kinds, i)
unset multiplot
