# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the page, in the languages that it speaks."""

from __future__ import annotations

import typing as t

RIGHT_TO_LEFT = frozenset(["ar", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"])

ENGLISH: t.Mapping[str, str] = {
    "ok": "ok",
    "warning": "warning",
    "failed": "failed",
    "crashed": "crashed",
    "skipped": "skipped",
    "skip": "Skip to the content",
    "sections": "Sections",
    "overall": "Overall state",
    "as_of": "As of",
    "checks": "checks",
    "hosts": "Hosts",
    "host": "Host",
    "status": "Status",
    "not_well": "Not well",
    "history": "Last {days} days",
    "last_seen": "Last seen",
    "changes": "What changed since yesterday",
    "no_changes": "Nothing changed since yesterday.",
    "no_day_before": "There is no day before to compare with.",
    "worse": "worse",
    "new": "new",
    "gone": "gone",
    "value": "value moved",
    "better": "better",
    "change": "Change",
    "check": "Check",
    "before": "Before",
    "now": "Now",
    "more": "and {count} more",
    "trends": "Trends",
    "latency": "Latency",
    "size": "Sizes and usage",
    "no_trends": "No check has measured a latency or a size on two days yet.",
    "median": "median of {count} hosts",
    "range": "lowest to highest",
    "deploy_mark": "deploy",
    "limit_warn": "warn {value}",
    "limit_crit": "crit {value}",
    "chart": "{name}: {first} on {from}, {last} on {to}, highest {most}",
    "timeline": "Deploys and drills",
    "no_events": "No deploys or drills in the last {days} days.",
    "deploy": "deploy",
    "rollback": "rollback",
    "drill": "drill",
    "other": "other",
    "when": "When",
    "what": "What",
    "name": "Name",
    "message": "Message",
    "all_checks": "All checks",
    "measured": "Measured",
    "filter": "Filter hosts",
    "filter_hint": "Name of a host or check",
    "show": "Show",
    "show_all": "all",
    "show_bad": "not well only",
    "shown": "{shown} of {total} hosts shown",
    "open_all": "Open all",
    "close_all": "Close all",
    "to_top": "Back to the top",
    "none": "none",
    "no_hosts": "Nothing has been checked yet.",
    "notes": "About this report",
}

ARABIC: t.Mapping[str, str] = {
    "ok": "سليم",
    "warning": "تحذير",
    "failed": "فشل",
    "crashed": "تعذّر الفحص",
    "skipped": "متجاوَز",
    "skip": "انتقل إلى المحتوى",
    "sections": "الأقسام",
    "overall": "الحالة العامة",
    "as_of": "حتى",
    "checks": "فحوص",
    "hosts": "الخوادم",
    "host": "الخادم",
    "status": "الحالة",
    "not_well": "غير سليم",
    "history": "آخر {days} يومًا",
    "last_seen": "آخر فحص",
    "changes": "ما الذي تغيّر منذ أمس",
    "no_changes": "لم يتغيّر شيء منذ أمس.",
    "no_day_before": "لا يوجد يوم سابق للمقارنة به.",
    "worse": "أسوأ",
    "new": "جديد",
    "gone": "اختفى",
    "value": "تغيّرت القيمة",
    "better": "أفضل",
    "change": "التغيّر",
    "check": "الفحص",
    "before": "قبل",
    "now": "الآن",
    "more": "و{count} غيرها",
    "trends": "الاتجاهات",
    "latency": "زمن الاستجابة",
    "size": "الأحجام والاستخدام",
    "no_trends": "لم يُقَس أي زمن استجابة أو حجم في يومين بعد.",
    "median": "وسيط {count} من الخوادم",
    "range": "من الأدنى إلى الأعلى",
    "deploy_mark": "نشر",
    "limit_warn": "تحذير {value}",
    "limit_crit": "حرج {value}",
    "chart": "{name}: {first} في {from}، {last} في {to}، الأعلى {most}",
    "timeline": "عمليات النشر والتدريبات",
    "no_events": "لا عمليات نشر أو تدريبات في آخر {days} يومًا.",
    "deploy": "نشر",
    "rollback": "تراجع",
    "drill": "تدريب",
    "other": "غير ذلك",
    "when": "متى",
    "what": "ماذا",
    "name": "الاسم",
    "message": "الرسالة",
    "all_checks": "كل الفحوص",
    "measured": "القياس",
    "filter": "تصفية الخوادم",
    "filter_hint": "اسم خادم أو فحص",
    "show": "عرض",
    "show_all": "الكل",
    "show_bad": "غير السليم فقط",
    "shown": "يظهر {shown} من {total} خادم",
    "open_all": "فتح الكل",
    "close_all": "إغلاق الكل",
    "to_top": "العودة إلى الأعلى",
    "none": "لا شيء",
    "no_hosts": "لم يُفحص شيء بعد.",
    "notes": "عن هذا التقرير",
}

_LANGUAGES = {"en": ENGLISH, "ar": ARABIC}


class Words:
    """The words of one language: the page's own where it speaks it, else English, and before both what the caller says."""

    def __init__(self, lang: str = "en", own: t.Mapping[str, str] | None = None) -> None:
        self._words = {**ENGLISH, **_LANGUAGES.get(lang.split("-")[0], {}), **(own or {})}

    def __getitem__(self, name: str) -> str:
        return self._words[name]

    def of(self, _name: str, **values: t.Any) -> str:
        """A word with its ``{places}`` filled."""
        said = self._words[_name]
        for key, value in values.items():
            said = said.replace(f"{{{key}}}", str(value))
        return said


def direction_of(lang: str) -> str:
    """``rtl`` or ``ltr``, the direction that a language is written in."""
    return "rtl" if lang.split("-")[0] in RIGHT_TO_LEFT else "ltr"
