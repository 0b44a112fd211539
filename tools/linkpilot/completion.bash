# bash completion for linkpilot(1): nouns, verbs, options, and node names asked of the collector.
_linkpilot() {
    local current=${COMP_WORDS[COMP_CWORD]} noun="" verb="" word index
    local -A verbs=(
        [agent]="list show" [link]="list show probe" [route]="show explain diff watch"
        [event]="tail" [fault]="list show" [mail]="test" [keys]="new show" [config]="check" [plan]="show" [status]=""
    )
    for ((index = 1; index < COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        case $word in
            --collector|--token-file|--timeout) index=$((index + 1)) ;;
            -*) ;;
            *) if [ -z "$noun" ]; then noun=$word; elif [ -z "$verb" ]; then verb=$word; fi ;;
        esac
    done
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "--collector --token-file --timeout --json --help --version" -- "$current")
    elif [ -z "$noun" ]; then
        mapfile -t COMPREPLY < <(compgen -W "${!verbs[*]}" -- "$current")
    elif [ -z "$verb" ] && [ -n "${verbs[$noun]:-}" ]; then
        mapfile -t COMPREPLY < <(compgen -W "${verbs[$noun]}" -- "$current")
    else
        case "$noun $verb" in
            "keys "*|"config "*) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
            "agent show"|"link "*|"route "*|"plan show")
                mapfile -t COMPREPLY < <(compgen -W "$(linkpilot --timeout 1 agent list --names 2>/dev/null)" -- "$current") ;;
        esac
    fi
}
complete -F _linkpilot linkpilot
