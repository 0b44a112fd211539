# bash completion for linkpilot(1): nouns, verbs, options, and node names asked of the collector.
_linkpilot_options() {
    case $1 in
        "node drain") echo "--for --reason --author --wait" ;;
        "route pin") echo "--via --for --reason --author" ;;
        "route freeze"|"route rollback") echo "--for --reason --author" ;;
        "auto off") echo "--region --for --reason --author" ;;
        "auto on") echo "--region --reason --author" ;;
        "agent enrol") echo "--file --key --reason --author" ;;
        "agent rekey") echo "--file --key --finish --reason --author" ;;
        "agent revoke"|"node undrain"|"route thaw"|"route unpin") echo "--reason --author" ;;
        "audit "*) echo "--limit" ;;
        "dial "*) echo "--push --seconds --count --first-frame --player-like --save-flv --html --stage-timeout \
            --handshake --subscribe --each-address --resolve --resolver --client-subnet --allow --ca-file \
            --record-certificates --flv --kbit-per-s --fps --gop-seconds --size --hold --read-back --no-read-back" ;;
        "path "*) echo "--proto --port --source-port --flows --rounds --interval --all-paths --confidence --mtu --mtu-max \
            --watch --max-hops --timeout-hop --rate --dscp" ;;
        "doctor "*) echo "--agent-config --collector-config --fleet" ;;
        "support-bundle "*) echo "--out --log --agent-config --collector-config --fleet" ;;
        "keys new") echo "--signing --probing" ;;
        "keys rotate-signer") echo "--commit" ;;
        "keys rotate-probing") echo "--finish" ;;
    esac
}
_linkpilot() {
    local current=${COMP_WORDS[COMP_CWORD]} noun="" verb="" word index
    local -A verbs=(
        [agent]="list show refused enrol revoke rekey" [link]="list show probe"
        [route]="show explain diff watch pin unpin freeze thaw rollback"
        [node]="drain undrain" [auto]="off on" [hand]="list" [audit]="" [event]="tail"
        [fault]="list show explain replay mail" [dial]="" [path]=""
        [keys]="new show rotate-signer rotate-probing" [config]="check" [plan]="show" [status]="" [doctor]="" [support-bundle]=""
    )
    for ((index = 1; index < COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        case $word in
            --collector|--token-file|--timeout|--reason|--author|--for|--region|--via|--file|--limit|--seconds|--count|--save-flv|--html|--stage-timeout|--handshake|--resolve|--resolver|--client-subnet|--allow|--ca-file|--flv|--kbit-per-s|--fps|--gop-seconds|--size|--hold|--proto|--port|--source-port|--flows|--rounds|--interval|--confidence|--mtu-max|--max-hops|--timeout-hop|--rate|--dscp|--read-back|--agent-config|--collector-config|--out|--log) index=$((index + 1)) ;;
            -*) ;;
            *) if [ -z "$noun" ]; then noun=$word; elif [ -z "$verb" ]; then verb=$word; fi ;;
        esac
    done
    if [[ ${COMP_WORDS[COMP_CWORD - 1]} == --region ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(linkpilot --timeout 1 agent list --regions 2>/dev/null)" -- "$current")
    elif [[ ${COMP_WORDS[COMP_CWORD - 1]} == --via ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(linkpilot --timeout 1 agent list --names 2>/dev/null)" -- "$current")
    elif [[ ${COMP_WORDS[COMP_CWORD - 1]} == --@(file|token-file|save-flv|html|ca-file|flv|agent-config|collector-config|out|log) ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    elif [[ ${COMP_WORDS[COMP_CWORD - 1]} == --proto ]]; then
        mapfile -t COMPREPLY < <(compgen -W "udp tcp icmp" -- "$current")
    elif [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "--collector --token-file --timeout --json --help --version $(_linkpilot_options "$noun $verb")" -- "$current")
    elif [ -z "$noun" ]; then
        mapfile -t COMPREPLY < <(compgen -W "${!verbs[*]}" -- "$current")
    elif [ -z "$verb" ] && [ -n "${verbs[$noun]:-}" ]; then
        mapfile -t COMPREPLY < <(compgen -W "${verbs[$noun]}" -- "$current")
    else
        case "$noun $verb" in
            "keys "*|"config "*) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
            "agent show"|"agent revoke"|"agent rekey"|"node "*|"link "*|"route "*|"plan show")
                mapfile -t COMPREPLY < <(compgen -W "$(linkpilot --timeout 1 agent list --names 2>/dev/null)" -- "$current") ;;
        esac
    fi
}
complete -F _linkpilot linkpilot
